"""How long rows are kept, in days; `maintenance.cleanup` deletes what is older.

Jobs have JOBS_RETENTION_DAYS and their kinds' `retention=`; docs/operations.md lists all of them.
"""

from celeriac.core.environment import env

#: Celery's own results, of plain tasks and of kinds with `celery_result=True`.
RESULTS_RETENTION_DAYS = env.float("RESULTS_RETENTION_DAYS", default=7.0)
#: What became of each time of a schedule.
SCHEDULES_RETENTION_DAYS = env.float("SCHEDULES_RETENTION_DAYS", default=90.0)
#: The moves of circuits.
BREAKERS_RETENTION_DAYS = env.float("BREAKERS_RETENTION_DAYS", default=90.0)
#: A provider's events that were processed; others stay. Longer than it delivers an event again.
WEBHOOKS_RETENTION_DAYS = env.float("WEBHOOKS_RETENTION_DAYS", default=90.0)
#: Sign-ins that have expired: counted from then on.
SESSIONS_RETENTION_DAYS = env.float("SESSIONS_RETENTION_DAYS", default=1.0)
#: Which jobs a verb over a filter changed. The audit's own row stays for AUDIT_RETENTION_DAYS.
AUDIT_TARGETS_RETENTION_DAYS = env.float("AUDIT_TARGETS_RETENTION_DAYS", default=90.0)
#: Who did what, and verbs over filters with it.
AUDIT_RETENTION_DAYS = env.float("AUDIT_RETENTION_DAYS", default=1095.0)
#: Sign-ins and failed ones, and Django's own log of edits in the admin.
SIGN_INS_RETENTION_DAYS = env.float("SIGN_INS_RETENTION_DAYS", default=90.0)
