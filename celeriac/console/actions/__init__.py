"""Bulk actions: counted, previewed, confirmed, then applied in the background."""
