"""How long the domain's rows are kept, in days; the library's own are keys of CELERIAC."""

from celeriac.core.environment import env

# here only:
#: A provider's events that were processed; others stay. Longer than it delivers an event again.
WEBHOOKS_RETENTION_DAYS = env.float("WEBHOOKS_RETENTION_DAYS", default=90.0)
# to here
