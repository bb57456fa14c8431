"""What a worker's parent would see in a folder of slots."""

from celeriac.jobs.running.wards import Wards


def traces(folder):
    """Return the traces of all slots in the folder."""
    wards = Wards(folder)
    found = [ward.read() for ward in wards.all()]
    wards.close()
    return found
