"""Enqueueing: a call becomes a row, in the caller's own transaction."""
