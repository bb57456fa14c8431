"""Schedules: what beat fires."""

from celeriac.core.environment import env

#: Names the plain Celery tasks that may be scheduled beside the ledger's kinds; "" for none.
SCHEDULES_PLAIN_TASKS = "celeriac.builtin.schedules.plain_tasks"
#: How often beat compares every schedule with what it knows; seconds.
SCHEDULES_REFRESH_SECONDS = env.float("SCHEDULES_REFRESH_SECONDS", default=2.0)
#: A beat that has not been heard of for longer is taken for dead; seconds.
SCHEDULES_BEAT_LEASE_SECONDS = env.float("SCHEDULES_BEAT_LEASE_SECONDS", default=20.0)
