"""The settings of every process that is measured: production's base, and the bench's kinds."""

from config.settings.base import *  # noqa: F403 a settings module is the base and its changes
from config.settings.base import CELERIAC, INSTALLED_APPS, env

SECRET_KEY = "bench-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 bench only
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

#: Plain Celery's rows carry none of the ledger's wiring.
_ledger = env.bool("BENCH_LEDGER", default=False)
# The maintenance jobs would be measured with the jobs.
INSTALLED_APPS = [name for name in INSTALLED_APPS if name != "celeriac.builtin"]
CELERIAC = CELERIAC | {
    "QUEUES": {"bench": {}, "default": {}},
    "MODULES": ["bench.kinds"] if _ledger else [],
}

# As it is everywhere unless somebody finds the setting: Celery's Django fixup closes the
# connection around every task. Rows without results use no connection in their tasks.
if env.bool("BENCH_REUSE", default=False):
    CELERY_DB_REUSE_MAX = 1_000_000_000
