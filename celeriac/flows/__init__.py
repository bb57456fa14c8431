"""Flows: jobs in an order, as rows. `declaring.py` declares them, `steering.py` moves them."""
