"""What a worker's parent would see in a folder of slots."""

from celeriac.jobs.running.child_records import ChildJournals


def traces(folder):
    """Return the traces of all slots in the folder."""
    child_journals = ChildJournals(folder)
    found = [child.read() for child in child_journals.all()]
    child_journals.close()
    return found
