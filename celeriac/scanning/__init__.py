"""What a Celery project's source says of moving onto the ledger.

It reads text alone: nothing here imports more than the standard library, so that a project can be
scanned where none of its packages is installed.
"""
