"""The library's settings: `CELERIAC = {…}` in a project's settings module; `{}` is enough.

Each key is a field of `Settings`, where its default stands. `conf` has them all::

    from celeriac.settings import conf
    conf.WORKER_LEASE_SECONDS
"""

import os
from collections.abc import Mapping
from dataclasses import field, fields
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from celeriac.core.environment import env
from celeriac.core.hints import did_you_mean
from celeriac.core.setting_defaults import Count, Days, Seconds, Share, slot_directory, store_url


class OpenQueues(dict[str, dict[str, Any]]):
    """The queues that the engine needs; any other is declared by its first job."""


def _queues() -> dict[str, dict[str, Any]]:
    return OpenQueues(default={}, callbacks={}, maintenance={})


def _breakers() -> dict[str, dict[str, Any]]:
    named = ("callbacks", "mail")
    return {name: {"min_volume": 5, "max_cooldown": 900.0} for name in named}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Settings:
    """What may be set, with its defaults. Times are seconds unless the name says otherwise."""

    #: Every queue that a job may name, with its options; the engine's own kinds need `callbacks`
    #: and `maintenance`. Without it (or with "auto") a queue is declared by its first job.
    QUEUES: dict[str, dict[str, Any]] = field(default_factory=_queues)
    #: Names of the project's own Celery tasks that are jobs, as patterns: `acme.billing.*`; of
    #: plain ones whose calls and starts are noted, and for how long.
    TASKS: list[str] = field(default_factory=list)
    SHADOW: list[str] = field(default_factory=list)
    SHADOW_RETENTION_DAYS: Days = 7.0
    #: Whether what lost its process runs again, by pattern: True, False, "worker" (all of it).
    RUN_AGAIN: dict[str, bool | Literal["worker"]] = field(default_factory=dict)
    #: What is never shown of theirs, by pattern, as `redact=` of a task says it itself.
    REDACT: dict[str, list[str]] = field(default_factory=dict)
    #: Kinds and tasks, as patterns, whose jobs outlive a rollback of the caller's transaction.
    SURVIVES_ROLLBACK: list[str] = field(default_factory=list)
    #: Modules whose import declares kinds, beside each app's `tasks.py` and `jobs.py`.
    MODULES: list[str] = field(default_factory=list)
    #: What the dispatcher rings with.
    PUBLISHER: str = "celeriac.celery.publisher.CeleryPublisher"
    #: Which of Django's backends sends what `celeriac.mail.EmailBackend` wrote, and the queue.
    MAIL_BACKEND: str = "django.core.mail.backends.smtp.EmailBackend"
    MAIL_QUEUE: str = "default"
    #: The Redis or Valkey where nudges go; the broker's URL if nothing is said and it is one. ""
    #: sends none, and has no open line: dispatchers look for themselves.
    NUDGE_URL: str = field(default_factory=store_url)
    #: What one nudge may cost the caller that committed, and for how long a broker that failed is
    #: spared further ones.
    NUDGE_TIMEOUT_SECONDS: Seconds = 0.05
    NUDGE_MUTE_SECONDS: Seconds = 5.0
    #: Whether a child that has answered stays for the next doorbell, and jobs go straight to it.
    OPEN_LINE: bool = True
    #: The most bytes of a job. LARGE: of an adopted task's, beside its row; FLOW: others' results.
    MAX_ARGS_BYTES: Count = 256 * 1024
    MAX_LARGE_ARGS_BYTES: Count = 16 * 1024 * 1024
    MAX_RESULT_BYTES: Count = 1024 * 1024
    MAX_FLOW_RESULT_BYTES: Count = 16 * 1024 * 1024
    #: Where workers keep the memory that they share with their children. Never where a cleaner of
    #: temporary files comes, nor what a stop or a logout removes: the next worker reads it.
    SLOT_DIRECTORY: str = field(default_factory=slot_directory)
    #: Between two beats of a worker.
    HEARTBEAT_SECONDS: Seconds = 5.0
    #: A worker that has not beaten for longer is lost.
    WORKER_LEASE_SECONDS: Seconds = 20.0
    #: A dispatcher that has not renewed its queue for longer loses it.
    QUEUE_LEASE_SECONDS: Seconds = 10.0
    #: What a worker that must stop gives to what runs; a supervisor must wait longer. None: what it
    #: needs, as in Celery, or until the supervisor kills it.
    SHUTDOWN_GRACE_SECONDS: float | None = None
    #: How long an enqueue waits for another transaction with its key.
    LOCK_TIMEOUT_SECONDS: Seconds = 2.0
    #: Work after which a doorbell releases what it has not started.
    DOORBELL_BUDGET_SECONDS: Seconds = 1.0
    #: Jobs, and megabytes, after which a worker's child is replaced, between two doorbells; None:
    #: never.
    CHILD_MAX_JOBS: Count | None = None
    CHILD_MAX_MEMORY_MB: Count | None = None
    #: How long finished jobs stay, where the kind says nothing; days.
    RETENTION_DAYS: Days = 14
    #: How long a job stays at least whose caller gave an idempotency key: the call may come again.
    IDEMPOTENCY_DAYS: Days = 7.0
    #: The hard limit of a `shared_task` of the ledger that names no `time_limit`.
    SHARED_TASK_TIME_LIMIT_SECONDS: Seconds = 600.0
    #: The admin site that the console's pages are on; "": Django's own. With
    #: `celeriac.console.own_site.console` they are a site of their own.
    CONSOLE_SITE: str = ""
    #: Where a job's trace can be seen, such as `https://traces.example/trace/{trace_id}`.
    TRACE_URL: str = ""

    #: Circuit breakers by name; `family:member` (such as `callbacks:example.com`) takes the
    #: options of `family`, which are those of celeriac.breakers.options.Options.
    BREAKERS: dict[str, dict[str, Any]] = field(default_factory=_breakers)
    #: Windows and probe permits; the broker's URL if nothing is said and it is a Redis or Valkey.
    #: Nothing in it is missed when it is emptied. "": each process has windows of its own.
    BREAKERS_STORE_URL: str = field(default_factory=store_url)
    #: How long one question to the store may take.
    BREAKERS_STORE_TIMEOUT: Seconds = 0.1
    #: For how long a store that failed is not asked.
    BREAKERS_STORE_MUTE_SECONDS: Seconds = 3.0
    #: How often, across all processes, a breaker's store and database are compared.
    BREAKERS_SYNC_SECONDS: Seconds = 5.0

    #: Names the plain Celery tasks that may be scheduled beside the ledger's kinds; "" for none.
    SCHEDULES_PLAIN_TASKS: str = "celeriac.builtin.schedules.plain_tasks"
    #: How often beat compares every schedule with what it knows.
    SCHEDULES_REFRESH_SECONDS: Seconds = 2.0
    #: A beat that has not been heard of for longer is taken for dead.
    SCHEDULES_BEAT_LEASE_SECONDS: Seconds = 20.0
    #: A tick may be late by this much before health, doctor and dashboard speak of it.
    SCHEDULES_LATE_SECONDS: Seconds = 60.0
    #: Ticks that a backfill makes at most, unless it is told otherwise.
    SCHEDULES_BACKFILL_TICKS: Count = 1000

    #: Hosts, see celeriac/jobs/callbacks/targets.py; with none, nobody is called.
    CALLBACK_ALLOWED_HOSTS: list[str] = field(default_factory=list)
    #: Networks such as 10.20.0.0/16 that callbacks may reach although they are not public.
    CALLBACK_ALLOWED_NETWORKS: list[str] = field(default_factory=list)
    #: What signs callbacks; while it is changed the former one signs, too.
    CALLBACK_SECRET: str = ""
    CALLBACK_SECRET_FORMER: str = ""
    #: That one call may take in all.
    CALLBACK_TIMEOUT_SECONDS: Seconds = 10.0
    #: Calls after which a receiver is given up: 20 take some 17 hours.
    CALLBACK_MAX_ATTEMPTS: Count = 20

    #: How long a service account's token is good.
    API_TOKEN_SECONDS: int = 600
    #: Calls, and jobs, a minute of an account that names no number of its own; each item of a
    #: bulk call is a job.
    API_CALLS_PER_MINUTE: int = 1200
    API_JOBS_PER_MINUTE: int = 60_000
    #: Calls for a token a minute, from one address.
    API_TOKEN_CALLS_PER_MINUTE: int = 60
    #: Calls a minute, from one address, of pages that are open to everyone.
    PUBLIC_CALLS_PER_MINUTE: int = 600
    #: Whether /api/docs/ and /api/schema/ are shown to everyone.
    API_DOCS: bool = False
    #: The largest bodies, in bytes: of one job (its arguments are bounded besides), of a bulk call.
    API_MAX_BODY_BYTES: Count = 512 * 1024
    API_MAX_BULK_BYTES: Count = 16 * 1024 * 1024
    #: Jobs in a bulk call: it is one transaction.
    API_MAX_BULK_JOBS: Count = 10_000
    #: How many proxies of ours stand before the web servers, each adding to X-Forwarded-For.
    PROXIES: int = 0
    #: What tokens and links are signed with, and keys of before that are still believed; without
    #: one it is SECRET_KEY.
    SIGNING_KEY: str = ""
    SIGNING_KEY_FALLBACKS: list[str] = field(default_factory=list)
    #: The Content-Security-Policy of pages in the admin's frame; None leaves the project's own.
    ADMIN_CSP: dict[str, list[str]] | None = None

    #: `user:password`, between this site and Flower; without it Flower does not start.
    FLOWER_BASIC_AUTH: str = ""
    #: Where Flower listens, for this site alone, and how long one page may take.
    FLOWER_URL: str = "http://127.0.0.1:5555"
    FLOWER_TIMEOUT_SECONDS: Seconds = 15.0
    #: The bearer token of /metrics. Without one it answers where DEBUG is on.
    METRICS_TOKEN: str = ""
    #: Whether processes that count have a thread that publishes, and how often.
    METRICS_PUBLISH: bool = True
    METRICS_PUBLISH_SECONDS: Seconds = 5.0
    #: How long /metrics may take (less than the scraper waits), and scrapers share queues' depths.
    METRICS_TIMEOUT_SECONDS: Seconds = 8.0
    METRICS_DEPTHS_SECONDS: Seconds = 5.0
    #: How long /readyz may take: less than whoever probes waits.
    HEALTH_TIMEOUT_SECONDS: Seconds = 2.0
    #: A due job that nothing holds back may wait so long before the dashboard asks for attention.
    ATTENTION_WAIT_SECONDS: Seconds = 300.0
    #: What the doctor warns of: an open transaction that is older, less of a disk free (a third of
    #: it is an error), more of the database's connections taken.
    DOCTOR_TRANSACTION_SECONDS: Seconds = 600.0
    DOCTOR_DISK_SHARE: Share = 0.15
    DOCTOR_CONNECTIONS_SHARE: Share = 0.85
    #: What the doctor asks about the limits of plain tasks; "" for nothing.
    PLAIN_TASK_LIMITS: str = ""

    #: How long rows are kept, in days; `maintenance.cleanup` deletes what is older. Celery's own
    #: results, of plain tasks and of kinds with `celery_result=True`:
    RESULTS_RETENTION_DAYS: Days = 7.0
    #: What became of each time of a schedule.
    SCHEDULES_RETENTION_DAYS: Days = 90.0
    #: The moves of circuits.
    BREAKERS_RETENTION_DAYS: Days = 90.0
    #: What charts are drawn from: each hour's counts. Minutes go after two days.
    ROLLUPS_RETENTION_DAYS: Days = 60.0
    #: Sign-ins that have expired: counted from then on.
    SESSIONS_RETENTION_DAYS: Days = 1.0
    #: Which jobs a bulk action changed; who did what, and bulk actions with it.
    AUDIT_TARGETS_RETENTION_DAYS: Days = 90.0
    AUDIT_RETENTION_DAYS: Days = 1095.0
    #: Sign-ins and failed ones, and Django's own log of edits in the admin.
    SIGN_INS_RETENTION_DAYS: Days = 90.0


_HERE = " The ledger is in DATABASES['default']: a job commits with what is written there."


def read_settings(given: object) -> Settings:
    """Return the settings that `CELERIAC` gives.

    Raises:
        ImproperlyConfigured: a key is unknown, or its value does not fit; each is named.
    """
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f"CELERIAC is a dict of settings, not {given!r}.")
    known = [each.name for each in fields(Settings)]
    for key in given:
        if key not in known:
            hint = _HERE if key in ("DATABASE", "USING") else did_you_mean(key, known)
            raise ImproperlyConfigured(f"CELERIAC has no setting {key!r}.{hint}")
    try:
        return Settings(**{k: v for k, v in given.items() if (k, v) != ("QUEUES", "auto")})
    except ValidationError as error:
        bad = [f"CELERIAC[{'.'.join(map(str, e['loc']))!r}]: {e['msg']}" for e in error.errors()]
        raise ImproperlyConfigured("; ".join(bad)) from None


def from_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment gives; `variables` has each key's variable.

    One that is unset is left out, so that its default stands here alone.

    Raises:
        ImproperlyConfigured: a variable's value is not of its setting's type; it is named.
    """
    hints = get_type_hints(Settings)
    return {
        key: env.get_value(name, cast=_cast(hints[key]))
        for key, name in variables.items()
        if os.environ.get(name, "").strip()
    }


def _cast(hint: Any) -> Any:
    """Return what reads such a value from text; None is said by leaving it out."""
    if isinstance(hint, UnionType):
        hint = next(each for each in get_args(hint) if each is not NoneType)
    return get_origin(hint) or hint


class _Conf:
    """The settings of the running project, read once they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        vars(self).update(vars(read_settings(getattr(settings, "CELERIAC", {}))))
        if name not in vars(self):
            raise AttributeError(f"CELERIAC has no setting {name!r}.")
        return vars(self)[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"conf is read from CELERIAC: set {name} there.")


#: The settings as they stand: each key of `CELERIAC`, or its default, as an attribute.
conf = cast(Settings, _Conf())


def project_setting(name: str) -> Any:
    """Return a setting of the library, or of the project where the library has none so named."""
    return getattr(conf, name) if name in Settings.__dataclass_fields__ else getattr(settings, name)


def celery_app() -> str:
    """Return what `celery -A` is given: the package of the project."""
    return os.environ.get("DJANGO_SETTINGS_MODULE", "project").partition(".")[0]


def _forget(*, setting: str, **_: object) -> None:
    """Read anew what a test has changed."""
    if setting in ("CELERIAC", "BROKER_URL", "CELERY_BROKER_URL"):
        vars(conf).clear()


# Tests change settings with Django's own tools, which tell it in no other way.
setting_changed.connect(_forget, dispatch_uid="celeriac.settings")
