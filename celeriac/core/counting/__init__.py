"""Counting what happens, in memory, for /metrics: many processes, one total, no cost on the way.

`counts` gathers in the process, `shared` lets a worker's children count into memory that
survives them, `publish` adds what was gathered to the totals in the database.
"""
