"""The native door: `with flow(…) as f:`, written as rows in the caller's own transaction."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import UUID

from django.db import transaction

from celeriac.core.ids import uuid7
from celeriac.flows.drafting import MemberDraft, require_before
from celeriac.flows.handle import FlowHandle
from celeriac.flows.parts import (
    After,
    FlowPart,
    Result,
    checked_if_dead,
    checked_seconds,
    ends_of,
    ordered_parts,
)
from celeriac.flows.writing import write_flow
from celeriac.jobs.enqueueing.draft import Draft, EnqueueOptions, prepare_draft
from celeriac.jobs.enqueueing.enqueue import check_transaction
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.nodes.events import event_id
from celeriac.jobs.nodes.states import Form, IfDead

#: What a member can't be given: the flow has it, or says it in another way.
_NOT_HERE = {
    "idempotency_key": "give the flow a key=",
    "scope": "give the flow a key=",
    "replace": "a member takes no other's place",
    "job_id": "its id is made here",
}


class Flow:
    """A flow while it is being declared. At the end of the `with` block it becomes rows."""

    def __init__(
        self, root: FlowPart, *, key: str | None = None, own: FlowPart | None = None
    ) -> None:
        self._root, self._within, self._key = root, root, key
        #: The group of the member that adds to its own flow; None in a new flow.
        self.own = own
        self._parts: list[FlowPart] = [root]
        self._extended: list[tuple[FlowPart, Any]] = []
        self._names: dict[str, int] = {}
        self.options: dict[str, Any] = {}
        #: Whether a flow of this name and key was there already, so that nothing was written.
        self.replayed = False

    def __enter__(self) -> Self:
        """Begin to declare."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write it all, or nothing where the block raised."""
        if kind is None:
            self.write()

    @property
    def id(self) -> UUID:
        """The flow's id."""
        assert self._root.id is not None  # noqa: S101 given at the start
        return self._root.id

    @property
    def handle(self) -> FlowHandle:
        """The flow to ask and to steer, once it is written."""
        return FlowHandle(self.id, replayed=self.replayed)

    def add(
        self,
        kind: str,
        args: Mapping[str, Any] | None = None,
        *,
        after: After = None,
        if_dead: str = IfDead.STOP,
        name: str = "",
        **options: Unpack[EnqueueOptions],
    ) -> FlowPart:
        """Add one job, that starts `after` others; return its part of the flow.

        `args` may hold `Result`s of what is before it. Options as in `celeriac.enqueue`; `delay`
        counts from the moment when nothing else keeps it back.

        Raises:
            InvalidOption: an option does not fit.
        """
        part = self._part(name or kind, Form.GROUP, after, if_dead)
        part.is_single, part.delay = True, _delay(options, after)
        draft = self._draft(part, kind, args or {}, options)
        part.members = lambda: [draft()]
        return part

    def group(
        self,
        kind: str,
        list_of_args: Iterable[Mapping[str, Any]],
        *,
        after: After = None,
        if_dead: str = IfDead.STOP,
        name: str = "",
        **options: Unpack[EnqueueOptions],
    ) -> FlowPart:
        """Add a job of one kind for each arguments, which are read when the flow is written.

        Raises:
            InvalidOption: an option does not fit.
        """
        calls = ((kind, args, options) for args in list_of_args)
        return self.members(calls, after=after, if_dead=if_dead, name=name or kind)

    def members(
        self,
        calls: Iterable[tuple[str, Mapping[str, Any], EnqueueOptions]],
        *,
        after: After = None,
        if_dead: str = IfDead.STOP,
        name: str = "group",
        delay: float | timedelta | None = None,
    ) -> FlowPart:
        """Add a group of `(kind, args, options)` calls, kinds mixed as you like."""
        part = self._part(name, Form.GROUP, after, if_dead)
        part.delay = checked_seconds("delay", delay) or 0.0
        part.members = lambda: (self._draft(part, *call)() for call in calls)
        return part

    def add_drafted(
        self,
        name: str,
        drafts: Iterable[Draft],
        *,
        after: After = None,
        if_dead: str = IfDead.STOP,
        delay: float = 0.0,
        job_id: UUID | None = None,
    ) -> FlowPart:
        """Add a group of jobs that are drafted already; with a `job_id` it is that one job's own.

        Raises:
            InvalidOption: an option does not fit.
        """
        part = self._part(name, Form.GROUP, after, if_dead)
        part.delay, part.members = delay, lambda: drafts
        part.is_single, part.id = job_id is not None, job_id
        return part

    def event(
        self,
        name: str,
        *,
        key: str = "",
        after: After = None,
        timeout: float | timedelta | None = None,
        then: str = "cancel",
    ) -> FlowPart:
        """Add an event that what is `after` it waits for; see `celeriac.emit`.

        Without a `key` it is this flow's own: emit it with `key=str(flow.id)`. `timeout` (seconds
        or a timedelta) counts from when nothing else is before it; `then` is what follows when it
        is over: "cancel" what waits, or "go_on" without the event.

        Raises:
            InvalidOption: an option does not fit.
        """
        if then not in ("cancel", "go_on"):
            raise InvalidOption(f"then is 'cancel' or 'go_on', not {then!r}.")
        part = self._part(name, Form.EVENT, after, IfDead.STOP)
        part.event_key = key or str(self.id)
        part.event = event_id(name, part.event_key)
        part.timeout, part.goes_on = checked_seconds("timeout", timeout), then == "go_on"
        return part

    def subflow(self, name: str, *, after: After = None, if_dead: str = IfDead.STOP) -> "Subflow":
        """Return a flow inside of this one: `with f.subflow("eu") as eu:`.

        What waits for it waits for all of it; to wait for a part of another flow is refused.
        """
        return Subflow(self, self._part(name, Form.FLOW, after, if_dead))

    def after(self, part: FlowPart, *others: Any) -> FlowPart:
        """Let a part that is declared already wait for others, too; return it.

        Raises:
            InvalidOption: it is written already, or is no part.
        """
        if part.is_written:
            raise InvalidOption(f"{part.name} is written already: it can't wait for more.")
        self._link(part, list(others))
        return part

    def add_to(
        self,
        part: FlowPart,
        kind: str,
        list_of_args: Iterable[Mapping[str, Any]],
        **options: Unpack[EnqueueOptions],
    ) -> None:
        """Add members to a group that is written already and has not ended, such as `f.own`."""
        drafts = (self._draft(part, kind, args, options)() for args in list_of_args)
        self._extended.append((part, drafts))

    def write(self) -> FlowHandle:
        """Write the rows; where a flow of this name and key is there already, nothing.

        Raises:
            CyclicFlow: parts wait for each other.
            FlowClosed: what it adds to has ended.
            LostClaim: the job that adds is no longer this run's.
            WrongTransaction: the open transaction is another database's.
            EnqueueBusy: another transaction holds its key.
        """
        check_transaction(detached=False)
        parts = ordered_parts(self._parts)
        for part in parts:
            part.id = part.id or uuid7()
        with transaction.atomic():
            self._begin_writing()
            self.replayed = not write_flow(
                self._root, parts, self._extended, key=self._key, options=self.options
            )
        return self.handle

    def _begin_writing(self) -> None:
        """Say what must hold while it is written: nothing, of a new flow."""

    def _part(self, name: str, form: Form, after: After, if_dead: str) -> FlowPart:
        count = self._names[name] = self._names.get(name, 0) + 1
        own = name if count == 1 else f"{name} {count}"
        part = FlowPart(own, form, checked_if_dead(if_dead), parent=self._within)
        self._link(part, after)
        self._parts.append(part)
        return part

    def _link(self, part: FlowPart, after: Any) -> None:
        for end in ends_of(after):
            if end.part.parent is not part.parent and not end.part.is_written:
                raise InvalidOption(
                    f"{part.name} can't wait for {end.part.name}, which is a part of another flow: "
                    "wait for that flow as a whole."
                )
            part.edges.append(end)

    def _draft(
        self, part: FlowPart, kind: str, args: Mapping[str, Any], options: Any
    ) -> MemberDraft:
        for option, instead in _NOT_HERE.items():
            if options.get(option) is not None:
                raise InvalidOption(f"{option} is no option of a flow's member: {instead}.")
        given = {name: value for name, value in args.items() if isinstance(value, Result)}
        require_before(part, given)
        plain = {name: value for name, value in args.items() if name not in given}
        whole: Any = {**self.options, **options}
        draft = prepare_draft(kind, plain, whole, frozenset(given))
        return MemberDraft(part, draft, given)


class Subflow(Flow):
    """A flow inside another one; it is written with that."""

    def __init__(self, outer: Flow, part: FlowPart) -> None:
        super().__init__(outer._root)
        self.part, self._within, self._parts = part, part, outer._parts
        self.options = outer.options

    def __exit__(self, *error: object) -> None:
        """Leave the writing to the flow around it."""

    @property
    def ended(self) -> Any:
        """That it has ended, however."""
        return self.part.ended


def _delay(options: Any, after: After) -> float:
    """Take the delay of what waits for others: it counts from its unblocking."""
    if not ends_of(after) or options.get("delay") is None:
        return 0.0
    return checked_seconds("delay", options.pop("delay")) or 0.0
