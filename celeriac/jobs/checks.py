"""System checks: what can be known wrong of settings and kinds before the first job."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError, connection

from celeriac.breakers import options
from celeriac.breakers.errors import BreakerError
from celeriac.core import broker
from celeriac.core.hints import did_you_mean
from celeriac.core.queries import fetch_row
from celeriac.core.setting_defaults import LOCAL, broker_url, is_amqp
from celeriac.jobs import registry
from celeriac.jobs.enqueueing.queues import is_declared
from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.registry import Kind
from celeriac.jobs.running.lost_kinds import TELL_LOST
from celeriac.jobs.slots import ONE, BadSlots, Slots, slots_of_queue
from celeriac.settings import conf

#: What the platform gives to a hook of a death.
_HOOKED = {"job_id": str(UUID(int=0)), "error": ""}


def check_heartbeat(**_: Any) -> list[CheckMessage]:
    """Report a heartbeat that one late beat would make outlast its lease."""
    beat, lease = conf.HEARTBEAT_SECONDS, conf.WORKER_LEASE_SECONDS
    if beat <= lease / 2:
        return []
    text = (
        f"HEARTBEAT_SECONDS={beat:g} is not well below WORKER_LEASE_SECONDS={lease:g}: "
        "one late beat, and the jobs of a living worker are rescued."
    )
    hint = "Let the lease be at least twice the heartbeat; four times is better."
    return [Error(text, hint=hint, id="celeriac_jobs.E001")]


#: What CELERIAC['QUEUES'] may say of a queue.
QUEUE_OPTIONS = ("window", "slots")
#: Settings of a project that name a broker, which may be RabbitMQ, or a cache.
_BROKERS = ("BROKER_URL", "CELERY_BROKER_URL")
_ADDRESSES = (*_BROKERS, "CACHE_URL")
#: What each setting of a Redis beside RabbitMQ would bring, and what happens without it.
_WITHOUT = {
    "NUDGE_URL": "a job starts when a dispatcher looks, within a second, and not at its commit",
    "BREAKERS_STORE_URL": "each process counts the calls of a circuit by itself, and learns from "
    "the database within a second what others decided",
}


def check_addresses(**_: Any) -> list[CheckMessage]:
    """Report addresses of Redis or Valkey that not every client could use."""
    found: list[CheckMessage] = []
    named = {name: url for name in _WITHOUT if (url := getattr(conf, name))}
    named |= {name: value for name in _ADDRESSES if (value := getattr(settings, name, ""))}
    for name, url in named.items():
        if name in _BROKERS and is_amqp(url):
            continue
        try:
            broker.broker_client(url).close()
        except broker.BadAddress as error:
            found.append(Error(f"{name}: {error}", id="celeriac_jobs.E006"))
    return found


def check_broker(**_: Any) -> list[CheckMessage]:
    """Warn where nobody named a broker: the ledger and Celery would each take another one."""
    named = any(getattr(settings, name, "") for name in ("BROKER_URL", "CELERY_BROKER_URL"))
    if named or LOCAL not in (conf.NUDGE_URL, conf.BREAKERS_STORE_URL):
        return []
    text = f"CELERY_BROKER_URL is not set: the ledger takes {LOCAL}, and Celery a RabbitMQ."
    hint = "Set CELERY_BROKER_URL to the address of your Redis or Valkey."
    return [Warning(text, hint=hint, id="celeriac_jobs.W011")]


def check_rabbit(**_: Any) -> list[CheckMessage]:
    """Say what RabbitMQ alone can't do: it is a broker, and no store that processes share."""
    lacking = [name for name in _WITHOUT if not getattr(conf, name)]
    if not lacking or not is_amqp(broker_url()):
        return []
    text = f"The broker is RabbitMQ: {'; '.join(_WITHOUT[name] for name in lacking)}."
    hint = f"Name a Redis or Valkey in CELERIAC's {' and '.join(lacking)}, or silence this check."
    return [Warning(text, hint=hint, id="celeriac_jobs.W020")]


def check_queues(**_: Any) -> list[CheckMessage]:
    """Report options of queues that do not exist or can't be read: migrate would trip over them."""
    return [message for name, options in conf.QUEUES.items() for message in _check(name, options)]


def _check(name: str, options: dict[str, Any]) -> Iterator[CheckMessage]:
    for option in options:
        if option not in QUEUE_OPTIONS:
            text = f"CELERIAC['QUEUES'][{name!r}]: there is no option {option!r}."
            yield Error(text + did_you_mean(option, QUEUE_OPTIONS), id="celeriac_jobs.E012")
    try:
        slots_of_queue(name)
    except BadSlots as error:
        yield Error(f"CELERIAC['QUEUES'][{name!r}]: {error}", id="celeriac_jobs.E013")


def check_connections(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Warn of slots that could take more connections than the database's server has in all.

    It asks that server, as `migrate` and `check --database default` do: a plain `check` connects
    to none.
    """
    many = {name: _slots(name).connections for name in conf.QUEUES if _slots(name).are_many}
    if not many or "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    try:
        (most,) = fetch_row("SELECT current_setting('max_connections')::int")
    except DatabaseError:
        return []  # whoever needs it will tell
    hint = "Give the queue fewer slots, or raise max_connections."
    return [
        Warning(
            f"CELERIAC['QUEUES'][{name!r}]: slots={str(_slots(name))!r} may take {needed} database "
            f"connections a process; the server has {most}.",
            hint=hint,
            id="celeriac_jobs.W021",
        )
        for name, needed in many.items()
        if needed > most
    ]


def _slots(queue: str) -> Slots:
    try:
        return slots_of_queue(queue)
    except BadSlots:
        return ONE  # E013 says so


def check_time_zones(**_: Any) -> list[CheckMessage]:
    """Refuse times without a zone: nobody would know which moment a run_at means."""
    if settings.USE_TZ:
        return []
    text = "USE_TZ is False: the ledger's times would have no zone, and mean another moment."
    return [Error(text, hint="Set USE_TZ = True; TIME_ZONE may be any.", id="celeriac_jobs.E007")]


def check_platform(**_: Any) -> list[CheckMessage]:
    """Report a database that can hold no ledger, and a library without its own kinds."""
    found: list[CheckMessage] = []
    if connection.vendor != "postgresql":
        text = f"The default database is {connection.vendor}: the ledger needs PostgreSQL."
        hint = "Let DATABASES['default'] have the engine django.db.backends.postgresql."
        found.append(Error(text, hint=hint, id="celeriac_jobs.E009"))
    if not apps.is_installed("celeriac.builtin"):
        text = "celeriac.builtin is not in INSTALLED_APPS: nothing prunes, and no callback is sent."
        found.append(Warning(text, hint="Add it below celeriac.jobs.", id="celeriac_jobs.W010"))
    return found


def check_kinds(**_: Any) -> list[CheckMessage]:
    """Report kinds that name a hook, a queue or a breaker that is not there."""
    return [message for kind in registry.declared_kinds() for message in _check_kind(kind)]


def _check_kind(kind: Kind) -> Iterator[CheckMessage]:
    for option in ("on_dead", "on_lost"):
        hook = getattr(kind, option)
        if hook not in (None, TELL_LOST):  # W010 says of that one that it is missing
            yield from _check_hook(kind.name, option, hook)
    if not is_declared(kind.queue):
        text = f"{kind.name}: CELERIAC['QUEUES'] declares no queue {kind.queue!r}."
        yield Error(text, hint="No such job could be enqueued.", id="celeriac_jobs.E004")
    if kind.transactional and kind.is_coroutine and _slots(kind.queue).mode == "async":
        text = f"{kind.name}: a transactional coroutine, on the async queue {kind.queue!r}."
        hint = "Django has no async transactions: declare a plain function, or name another queue."
        yield Error(text, hint=hint, id="celeriac_jobs.E014")
    if kind.breaker is not None:
        try:
            options.breaker_options(kind.breaker)
        except BreakerError as error:
            yield Error(f"{kind.name}: {error}", id="celeriac_jobs.E005")


def _check_hook(name: str, option: str, hook: str) -> Iterator[CheckMessage]:
    found = registry.get_kind(hook)
    if found is None:
        text = f"{name}: {option}={hook!r} names no declared kind: deaths would go unnoticed."
        yield Error(text, hint="Is its module in CELERIAC['MODULES']?", id="celeriac_jobs.E002")
        return
    try:
        found.schema.check(_HOOKED)
    except InvalidArgs as error:
        text = f"{name}: {option}={hook!r} can't take job_id and error: {error}"
        yield Error(
            text, hint="Declare it as hook(job_id: UUID, error: str).", id="celeriac_jobs.E003"
        )
