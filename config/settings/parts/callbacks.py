"""Callbacks: who may be called when a job ends, and how the call is signed."""

from celeriac.core.environment import env

#: Hosts, see celeriac/jobs/callbacks/targets.py; with none, nobody is called.
CALLBACK_ALLOWED_HOSTS: list[str] = env.list("CALLBACK_ALLOWED_HOSTS", default=[])
#: Networks such as 10.20.0.0/16 that callbacks may reach although they are not public.
CALLBACK_ALLOWED_NETWORKS: list[str] = env.list("CALLBACK_ALLOWED_NETWORKS", default=[])
#: What signs callbacks; while it is changed the former one signs, too.
CALLBACK_SECRET = env.str("CALLBACK_SECRET", default="")
CALLBACK_SECRET_FORMER = env.str("CALLBACK_SECRET_FORMER", default="")
#: Seconds that one call may take in all.
CALLBACK_TIMEOUT_SECONDS = env.float("CALLBACK_TIMEOUT_SECONDS", default=10.0)
