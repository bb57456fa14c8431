"""What of a project as a whole its move depends on: apps, settings, signals, remote control."""

import ast
from collections.abc import Iterator

from celeriac.scanning.calls import Calls
from celeriac.scanning.configuration import Configuration
from celeriac.scanning.constants import Value
from celeriac.scanning.declared import Declarations
from celeriac.scanning.names import Names
from celeriac.scanning.remarks import Remark, Weight
from celeriac.scanning.sources import Module, SourceLine

_PER_JOB = "once per job, with the job's own id, arguments and result"
#: Celery's signals: what their handlers would see.
_SIGNALS = {
    "task_prerun": (Weight.AS_IS, _PER_JOB),
    "task_postrun": (Weight.AS_IS, _PER_JOB),
    "task_success": (Weight.AS_IS, _PER_JOB),
    "task_failure": (Weight.AS_IS, _PER_JOB),
    "task_retry": (Weight.AS_IS, _PER_JOB),
    "task_internal_error": (Weight.UNKNOWN, "errors of the ledger, not of Celery's worker"),
    "task_received": (Weight.CHANGES, "doorbells are muted, and a job is never received"),
    "task_revoked": (Weight.UNKNOWN, "a cancelled job may never reach a worker"),
    "task_rejected": (Weight.UNKNOWN, "a job is not rejected"),
    "task_unknown": (Weight.AS_IS, "what it was for plain tasks"),
    "before_task_publish": (Weight.CHANGES, "at the call, in the caller's transaction"),
    "after_task_publish": (Weight.CHANGES, "at the call, in the caller's transaction"),
    "task_sent": (Weight.CHANGES, "at the call, in the caller's transaction"),
}
_NOT_ON_JOBS = {
    "terminate": "control.terminate() kills a process and its neighbours",
    "rate_limit": "control.rate_limit() says nothing of jobs",
    "purge": "control.purge() empties doorbells, not jobs",
    "discard_all": "control.discard_all() empties doorbells, not jobs",
    "time_limit": "control.time_limit() says nothing of jobs",
}
_POSTGRES = ("postgresql", "postgis", "psqlextra", "postgres", "django_tenants")


def project_remarks(
    modules: list[Module],
    names: Names,
    configuration: Configuration,
    declarations: Declarations,
    calls: Calls,
) -> Iterator[Remark]:
    """Say what concerns more than one task."""
    yield from _apps(configuration)
    yield from _databases(configuration)
    yield from _settings(configuration)
    yield from _beat(configuration, declarations)
    yield from _signals(modules, names)
    yield from _control(modules, names)
    if calls.unnamed:
        yield Remark(
            Weight.UNKNOWN,
            "calls of what may be a task, by a name that the scan can't follow",
            tuple(call.place for call in calls.unnamed),
        )


def _apps(configuration: Configuration) -> Iterator[Remark]:
    for app in configuration.apps.values():
        if app.cls.startswith("celeriac."):
            continue
        if app.cls.startswith("celery."):
            yield Remark(
                Weight.AS_IS, "the app to change: celeriac.celery.Celery in its place", (app.place,)
            )
        else:
            yield Remark(
                Weight.LINE, f"an app class of its own, {app.cls}: it needs the mixin", (app.place,)
            )


def _databases(configuration: Configuration) -> Iterator[Remark]:
    for written in configuration.values("DATABASES"):
        worth = written.value.worth if written.value.known else None
        default = worth.get("default") if isinstance(worth, dict) else None
        engine = default.get("ENGINE") if isinstance(default, dict) else None
        if isinstance(engine, str) and not any(each in engine for each in _POSTGRES):
            yield Remark(
                Weight.LINE,
                f"the default database is {engine.rpartition('.')[2]}: the ledger needs PostgreSQL",
                (written.place,),
            )


def _settings(configuration: Configuration) -> Iterator[Remark]:
    for written in configuration.values("task_always_eager"):
        if not written.value.known or written.value.worth:
            yield Remark(
                Weight.AS_IS,
                "task_always_eager: there calls run at once, as before, and nothing is recorded",
                (written.place,),
            )
    for written in configuration.values("broker_url"):
        if written.value.known and str(written.value.worth).startswith("sqs"):
            yield Remark(
                Weight.LINE, "the broker is SQS: doorbells need Redis or RabbitMQ", (written.place,)
            )
    for written in configuration.values("worker_pool"):
        if written.value.known and written.value.worth in ("gevent", "eventlet", "threads"):
            yield Remark(
                Weight.LINE, f"worker_pool is {written.value}: jobs need prefork", (written.place,)
            )
    for name in ("task_serializer", "result_serializer"):
        for written in configuration.values(name):
            if not (written.value.known and written.value.worth == "json"):
                yield Remark(
                    Weight.AS_IS, f"{name} is {written.value}: see each task", (written.place,)
                )


def _beat(configuration: Configuration, declarations: Declarations) -> Iterator[Remark]:
    for written in configuration.values("beat_scheduler"):
        yield Remark(
            Weight.AS_IS, f"beat is {written.value}: a tick is sent at most once", (written.place,)
        )
    for written in configuration.values("beat_schedule"):
        if not written.value.known or not isinstance(written.value.worth, dict):
            yield Remark(Weight.UNKNOWN, "the schedule is made when it runs", (written.place,))
            continue
        for key, entry in written.value.worth.items():
            name = entry.get("task") if isinstance(entry, dict) else None
            if isinstance(name, Value) or name is None:
                yield Remark(Weight.UNKNOWN, f"which task {key!r} fires", (written.place,))
            elif declarations.by_name(str(name)) is None:
                yield Remark(
                    Weight.UNKNOWN, f"{key!r} fires {name}, which is not found", (written.place,)
                )


def _signals(modules: list[Module], names: Names) -> Iterator[Remark]:
    found: dict[str, list[SourceLine]] = {}
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Attribute) and node.attr == "connect":
                full = names.full_name(module, node.value)
                if full.startswith("celery.signals."):
                    found.setdefault(full.rpartition(".")[2], []).append(module.line_of(node))
    for name, places in found.items():
        if name in _SIGNALS:
            weight, sees = _SIGNALS[name]
            yield Remark(weight, f"handlers of {name} see: {sees}", tuple(places))


def _control(modules: list[Module], names: Names) -> Iterator[Remark]:
    for module in modules:
        for node in module.nodes:
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            full = names.full_name(module, node.func)
            attribute = node.func.attr
            if any(each.arg == "terminate" for each in node.keywords) and attribute == "revoke":
                yield Remark(
                    Weight.CANT,
                    "revoke(terminate=True) kills a process and its neighbours: it cancels a job "
                    "that waits, and one that runs stops where it asks",
                    (module.line_of(node),),
                )
            elif ".control." in full and attribute in _NOT_ON_JOBS:
                yield Remark(Weight.CANT, _NOT_ON_JOBS[attribute], (module.line_of(node),))
