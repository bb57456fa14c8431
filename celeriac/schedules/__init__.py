"""Schedules: each tick of a periodic task becomes at most one job, as its policy says."""
