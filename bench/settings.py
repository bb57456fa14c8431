"""The settings of every process that is measured: production's base, and the bench's kinds."""

from bench.engine import settings_of
from bench.rows import OPEN_LINE_VARIABLE, QUEUES, SLOTS, SLOTS_VARIABLE
from config.settings.base import *  # noqa: F403 a settings module is the base and its changes
from config.settings.base import INSTALLED_APPS, env

SECRET_KEY = "bench-only-not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 bench only
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

#: Plain Celery's rows carry none of the ledger's wiring.
_ledger = env.bool("BENCH_LEDGER", default=False)
#: The whole platform, as shipped: what it takes when there is nothing to do.
_platform = env.bool("BENCH_PLATFORM", default=False)
# The maintenance jobs would be measured with the jobs.
INSTALLED_APPS = [name for name in INSTALLED_APPS if _platform or name != "celeriac.builtin"]
_queues: dict[str, dict[str, str]] = {name: {} for name in ("default", *QUEUES)}
if _slots := env.str(SLOTS_VARIABLE, default=""):
    _queues[SLOTS[_slots.partition(":")[0]]] = {"slots": _slots}
if not _platform:
    globals().update(settings_of(_queues, ["bench.kinds"] if _ledger else []))
if not env.bool(OPEN_LINE_VARIABLE, default=True):
    globals()["CELERIAC"]["OPEN_LINE"] = False

# As it is everywhere unless somebody finds the setting: Celery's Django fixup closes the
# connection around every task. Rows without results use no connection in their tasks.
CELERY_DB_REUSE_MAX = 1_000_000_000 if _ledger or env.bool("BENCH_REUSE", default=False) else None
