"""What a flow is made of before it is written: parts, and what they wait for. Touches no row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from celeriac.core.arguments import LONGEST
from celeriac.core.hints import did_you_mean
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.errors import CyclicFlow, InvalidOption
from celeriac.jobs.nodes.states import EdgeCondition, Form, IfDead, NodeState


@dataclass(eq=False, slots=True)
class FlowPart:
    """A part of a flow: what `add`, `group`, `event` and `subflow` return.

    Another one that is written `after` it waits until it ends well, or as its `if_dead` says;
    after `part.ended`, `part.succeeded` or `part.died` until it has ended so.
    """

    name: str
    form: Form
    if_dead: IfDead = IfDead.STOP
    #: What it is inside of; None of the flow itself, and of what stands in the database.
    parent: "FlowPart | None" = None
    edges: list["End"] = field(default_factory=list)
    #: Yields the drafts of its members; called once, when it is written.
    members: Callable[[], Iterable[Draft]] = tuple
    delay: float = 0.0
    event: UUID | None = None
    event_key: str = ""
    timeout: float | None = None
    goes_on: bool = False
    facts: dict[str, Any] | None = None
    #: Whether its one member is a job that it shares its id with.
    is_single: bool = False
    #: Given when it is written; a part that is there already has it from the start.
    id: UUID | None = None
    state: NodeState = NodeState.WAITING
    is_written: bool = False

    @property
    def ended(self) -> "End":
        """That it has ended, however."""
        return End(self, EdgeCondition.ENDED)

    @property
    def succeeded(self) -> "End":
        """That all of it succeeded."""
        return End(self, EdgeCondition.SUCCEEDED)

    @property
    def died(self) -> "End":
        """That a member died or was cancelled."""
        return End(self, EdgeCondition.DIED)


@dataclass(frozen=True, slots=True)
class End:
    """How a part has to end before another one may begin."""

    part: FlowPart
    condition: EdgeCondition = EdgeCondition.DONE


@dataclass(frozen=True, slots=True)
class Result:
    """As an argument: what a part's job returned, read when the job that is given it runs.

    `path` names a part of it, such as `"totals.net"`. Of a group it is the list of its members'
    results in their order, None for those that died; of an event what it was emitted with. Of
    `part.died` it is the list of who died, each with `job`, `kind`, `state` and `error`.
    """

    of: FlowPart | End
    path: str = ""

    @property
    def part(self) -> FlowPart:
        """The part whose result it is."""
        return self.of.part if isinstance(self.of, End) else self.of


After = FlowPart | End | Sequence["FlowPart | End"] | None


def ends_of(after: After) -> list[End]:
    """Return what `after=` says.

    Raises:
        InvalidOption: it is no part of a flow, nor a list of such.
    """
    given = [] if after is None else [after] if isinstance(after, FlowPart | End) else list(after)
    for each in given:
        if not isinstance(each, FlowPart | End):
            raise InvalidOption(
                f"after={each!r} is no part of a flow: give what add(), group() or event() "
                "returned, its .ended, .succeeded or .died, or a list of such."
            )
    return [each if isinstance(each, End) else End(each) for each in given]


def checked_if_dead(value: object) -> IfDead:
    """Return what follows from a death, or refuse it."""
    try:
        return IfDead(value)  # type: ignore[arg-type]  # whatever was given
    except ValueError:
        names = [each.value for each in IfDead]
        hint = did_you_mean(str(value), names)
        raise InvalidOption(f"if_dead is one of {', '.join(names)}, not {value!r}.{hint}") from None


def checked_seconds(name: str, value: float | timedelta | None) -> float | None:
    """Return seconds of a number or a timedelta; InvalidOption where they can't be waited for."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidOption(f"{name} is a number of seconds or a timedelta, not {value!r}.")
    if not 0 <= seconds <= LONGEST:
        raise InvalidOption(f"{name} of {seconds:g} s is outside 0 to ten years.")
    return float(seconds)


def ordered_parts(parts: Sequence[FlowPart]) -> list[FlowPart]:
    """Return parts so that each comes after what it waits for and what it is inside of.

    Raises:
        CyclicFlow: some wait for each other; they are named.
    """
    done: set[int] = {id(part) for part in parts if part.is_written}
    found: list[FlowPart] = []
    for part in parts:
        _visit(part, done, found)
    return found


def _visit(first: FlowPart, done: set[int], found: list[FlowPart]) -> None:
    """Walk back from a part, without recursion: a chain may be long."""
    path: list[tuple[FlowPart, Iterator[FlowPart]]] = [(first, _before(first))]
    on_path = {id(first)}
    while path:
        part, befores = path[-1]
        ahead = next((each for each in befores if id(each) not in done), None)
        if ahead is None:
            path.pop()
            on_path.discard(id(part))
            if id(part) not in done:
                done.add(id(part))
                found.append(part)
        elif id(ahead) in on_path:
            names = [each.name for each, _ in path]
            cycle = " → ".join([*names[names.index(ahead.name) :], ahead.name])
            raise CyclicFlow(f"These parts of the flow would wait for each other: {cycle}.")
        else:
            path.append((ahead, _before(ahead)))
            on_path.add(id(ahead))


def _before(part: FlowPart) -> Iterator[FlowPart]:
    parts = [end.part for end in part.edges]
    return iter([part.parent, *parts] if part.parent is not None else parts)
