"""Faults thrown at the real platform under load, and what they cost: `make chaos`."""
