"""Adopted tasks: Celery tasks of the host's own app whose calls are jobs of the ledger."""
