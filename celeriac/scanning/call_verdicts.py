"""What the calls of a task say of its move: canvases, options, transactions."""

from collections.abc import Iterator
from typing import NamedTuple

from celeriac.scanning.calls import TaskCall
from celeriac.scanning.remarks import Remark, Weight
from celeriac.scanning.sources import SourceLine
from celeriac.scanning.transactions import Moment

#: What a canvas becomes.
FLOW = "becomes a flow: all tasks in it move, or none"
#: TaskOptions of apply_async that speak to the broker alone.
_BROKERS = {
    "exchange",
    "routing_key",
    "delivery_mode",
    "producer",
    "connection",
    "publisher",
    "router",
    "MessageGroupId",
    "MessageDeduplicationId",
    "mandatory",
    "immediate",
    "reply_to",
}
_UNDERSTOOD = {
    "countdown",
    "eta",
    "expires",
    "queue",
    "priority",
    "headers",
    "task_id",
    "compression",
    "ignore_result",
    "retry",
    "retry_policy",
    "time_limit",
    "soft_time_limit",
    "add_to_parent",
    "shadow",
    "exc",
    "max_retries",
    "throw",
    "root_id",
    "parent_id",
    "group_id",
    "track_started",
}


class Reached(NamedTuple):
    """What is to say of a call because of who calls the function around it."""

    weight: Weight
    text: str


def call_remarks(calls: list[TaskCall], reached: dict[TaskCall, Reached]) -> Iterator[Remark]:
    """Yield what is to say of a task's calls; `reached` are calls within others' transactions."""
    yield from _canvas(calls)
    yield from _handed_on(calls)
    yield from _call_options(calls)
    yield from _moments(calls, reached)


def _canvas(calls: list[TaskCall]) -> Iterator[Remark]:
    """Say what a task's signatures become."""
    built: dict[str, list[SourceLine]] = {}
    astray = []
    for call in calls:
        if call.goes == "canvas" or call.how in ("map", "starmap", "chunks"):
            built.setdefault(call.canvas or call.how, []).append(call.place)
        elif linked := [each for each in ("link", "link_error", "chord") if each in call.options]:
            built.setdefault(f"{linked[0]}=", []).append(call.place)
        elif call.how in ("s", "si", "signature", "subtask") and not call.goes:
            astray.append(call.place)
    for name, places in built.items():
        yield Remark(Weight.CHANGES, f"{name} {FLOW}", tuple(places))
    if astray:
        yield Remark(Weight.UNKNOWN, "where its signature goes can't be seen here", tuple(astray))


def _call_options(calls: list[TaskCall]) -> Iterator[Remark]:
    """Say which options of its calls speak to a broker, and which nobody here knows."""
    brokers: dict[str, list[SourceLine]] = {}
    strange: dict[str, list[SourceLine]] = {}
    for call in calls:
        for name in call.options:
            if name in _BROKERS:
                brokers.setdefault(name, []).append(call.place)
            elif name not in _UNDERSTOOD | {"link", "link_error", "chord", "serializer"}:
                strange.setdefault(name, []).append(call.place)
    for name, places in brokers.items():
        yield Remark(Weight.CHANGES, f"{name}= speaks to the broker and is ignored", tuple(places))
    for name, places in strange.items():
        yield Remark(Weight.UNKNOWN, f"what {name} says can't be read here", tuple(places))


def _handed_on(calls: list[TaskCall]) -> Iterator[Remark]:
    """Say where a task is a value that others may call."""
    places = tuple(call.place for call in calls if call.how == "value")
    if places:
        yield Remark(Weight.UNKNOWN, "handed on as a value: who calls it can't be seen", places)


INSIDE = (
    "called inside a transaction: today it may start before the commit, and runs even where that "
    "never comes; as a job it starts after the commit, and is undone with it"
)
#: Of a call whose transaction nobody can name.
UNSEEN = "who calls it, and whether inside a transaction, can't be seen"
IN_A_MIGRATION = (
    "called in a migration: it becomes a part of its transaction, and the ledger's tables may not "
    'be there yet: let the migration depend on ("celeriac_jobs", "0001_initial"), or send from a '
    "receiver of post_migrate"
)
_SAID = {
    Moment.INSIDE: (Weight.CHANGES, INSIDE),
    Moment.IN_SAVE: (
        Weight.CHANGES,
        "called in a save, which may be part of a transaction: then the job is undone with it",
    ),
    Moment.OTHER_DATABASE: (
        Weight.UNKNOWN,
        "called inside a transaction of another database: its row comes when that commits",
    ),
    Moment.DEFERRED: (
        Weight.UNKNOWN,
        f"called in a function that is made where it stands: {UNSEEN}",
    ),
    Moment.AFTER: (Weight.AS_IS, "called on_commit, which a job no longer needs"),
}


def _moments(calls: list[TaskCall], reached: dict[TaskCall, Reached]) -> Iterator[Remark]:
    """Say what of its calls depends on a transaction."""
    places: dict[tuple[Weight, str], list[SourceLine]] = {}
    for call in calls:
        if call.waits and (call.moment is Moment.INSIDE or call in reached):
            said = (
                Weight.LINE,
                "its result is asked for inside the transaction that sends it, where none can come",
            )
            places.setdefault(said, []).append(call.place)
        if (
            call.how in ("retry", "apply", "s", "si", "signature", "subtask", "value")
            and not call.goes
        ):
            continue
        if call.goes in ("periodic", "canvas"):
            continue
        if call.moment in _SAID and "on_commit" not in call.how:
            places.setdefault(_SAID[call.moment], []).append(call.place)
        elif call.moment is not Moment.AFTER and call in reached:
            places.setdefault(reached[call], []).append(call.place)
    for (weight, text), where in places.items():
        yield Remark(weight, text, tuple(where))
