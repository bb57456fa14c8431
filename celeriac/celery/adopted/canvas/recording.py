"""What a canvas comes to: its calls, what each waits for, and what it is given of others."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from celery import canvas

from celeriac.celery.canvas import CanvasRefused
from celeriac.jobs.nodes.states import EdgeCondition


class What(StrEnum):
    """What of another call is given."""

    #: What it returned.
    RESULT = "result"
    #: Of a chord's header: what its members returned, a list.
    RESULTS = "results"
    #: Of a call that failed: its request, its error and the traceback.
    REQUEST = "request"
    ERROR = "error"
    TRACEBACK = "traceback"


@dataclass(eq=False, slots=True)
class Scope:
    """Calls that belong together: a whole canvas, a group, or a chord's header."""

    name: str
    outer: "Scope | None" = None
    after: "tuple[Ahead, ...]" = ()
    calls: "list[CanvasCall]" = field(default_factory=list)
    scopes: "list[Scope]" = field(default_factory=list)
    #: Of a header: those whose results its body is given, and the body.
    counted: "list[CanvasCall]" = field(default_factory=list)
    is_header: bool = False
    body: Any = None

    def members(self) -> "list[CanvasCall]":
        """Return the calls that count, in their order."""
        return sorted(self.counted, key=lambda call: call.index)


@dataclass(eq=False, slots=True)
class CanvasCall:
    """One call of a task."""

    task: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    task_id: str
    options: dict[str, Any]
    scope: Scope
    after: "tuple[Ahead, ...]" = ()
    #: The row's id, where the task's own is one.
    id: UUID | None = None
    #: Whether it takes the place of a running job, whose id its task id is.
    is_successor: bool = False
    #: Whether anything waits for it, or for its end, but its header's body.
    is_followed: bool = False
    #: Whether its death is nobody's: of callbacks.
    is_aside: bool = False

    @property
    def name(self) -> str:
        """What its job is known by."""
        return str(self.id) if self.is_successor else self.task_id

    @property
    def index(self) -> int:
        """Its place among the members of its group."""
        return int(self.options.get("group_index") or 0)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How a call, or a whole header, has to end before another one runs."""

    of: CanvasCall | Scope
    condition: EdgeCondition = EdgeCondition.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Given:
    """Stands among arguments for what is known once another call has ended."""

    of: CanvasCall | Scope
    what: What = What.RESULT

    def __deepcopy__(self, memo: object) -> Self:
        """Stay the same where a signature is cloned."""
        return self


@dataclass(frozen=True, slots=True)
class Position:
    """Where the next calls belong."""

    scope: Scope
    after: tuple[Ahead, ...] = ()
    #: What must have succeeded for a failure here to be this call's own.
    cause: tuple[Ahead, ...] = ()
    is_aside: bool = False


class Recording:
    """The calls of one canvas, while Celery's own classes take it apart."""

    def __init__(self, name: str) -> None:
        self.root = Scope(name)
        self.position = Position(self.root)
        self.calls: list[CanvasCall] = []
        self._later: deque[tuple[Position, Callable[[], object]]] = deque()
        #: Whether calls are asked for that a worker would make after a run.
        self.continues = False
        #: The id of the running task whose place one of the calls takes.
        self.successor_of = ""
        #: What the headers of all calls are to have.
        self.headers: dict[str, Any] = {}

    @contextmanager
    def at(self, position: Position) -> Iterator[None]:
        """Let calls belong to another place."""
        before, self.position = self.position, position
        try:
            yield
        finally:
            self.position = before

    def ask_later(self, position: Position, ask: Callable[[], object]) -> None:
        """Ask for calls at a place once nothing else is asked: a chain may be long."""
        self._later.append((position, ask))

    def finish(self) -> None:
        """Ask for all that follows."""
        self.continues = True
        while self._later:
            position, ask = self._later.popleft()
            with self.at(position):
                ask()


_current: ContextVar[Recording | None] = ContextVar("canvas", default=None)


def current() -> Recording | None:
    """Return the canvas that is being recorded here, if any."""
    return _current.get()


@contextmanager
def recording(name: str, write: Callable[[Recording], None]) -> Iterator[Recording]:
    """Record the calls that are made in the block; the outermost has them written."""
    known = _current.get()
    if known is not None:
        yield known
        return
    record = Recording(name)
    token = _current.set(record)
    try:
        yield record
        record.finish()
    finally:
        _current.reset(token)
    if record.calls:
        write(record)


def leaves(whole: Any) -> Iterator[Any]:
    """Iterate over the calls of tasks that a canvas holds, as signatures."""
    whole = canvas.maybe_signature(whole)
    tasks = getattr(whole, "tasks", None)
    if tasks is None:
        yield whole
        return
    for each in getattr(tasks, "tasks", tasks):
        yield from leaves(each)
    if (body := getattr(whole, "body", None)) is not None:
        yield from leaves(body)


#: The options of a call that say what follows it.
FOLLOWS = ("link", "link_error", "chain", "chord")


def is_part(options: dict[str, Any]) -> bool:
    """Return whether a call is a part of a canvas, or the beginning of one."""
    return current() is not None or any(options.get(name) for name in FOLLOWS)


def is_gathering(name: str) -> bool:
    """Return whether a call is Celery's own, that gathers the results of a canvas of jobs."""
    return name == "celery.accumulate" and current() is not None


def has_stand_ins(args: Any, kwargs: Any) -> bool:
    """Return whether a call is given what is not known yet."""
    return any(isinstance(each, Given) for each in (*(args or ()), *(kwargs or {}).values()))


def refuse_plain_follower(name: str, args: Any, kwargs: Any, options: Mapping[str, Any]) -> None:
    """Refuse to send a plain task now that is to run once a job has ended, or failed.

    Raises:
        CanvasRefused: the task is not adopted, and what is before it is.
    """
    record = current()
    follows = record is not None and record.continues and options.get("parent_id") is not None
    if follows or has_stand_ins(args, kwargs):
        raise CanvasRefused(
            f"{name} follows jobs of the ledger in a canvas, but is a plain Celery task: "
            f"add {name!r} to CELERIAC['TASKS'], so that the whole canvas is the "
            "ledger's, or take those before it out."
        )
