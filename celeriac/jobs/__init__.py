"""The ledger: a job is a row, and this app owns its life."""
