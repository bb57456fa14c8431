"""The words of an explanation. Pure: no Django."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

#: What a running job's row says while its code keeps the others of its process waiting.
BLOCKS = "blocks the loop of its process"


@dataclass(frozen=True, slots=True)
class Link:
    """A page: its name in the URL conf, its arguments, its query.

    An app below the console names the page of a row by its model's label, such as "shop.order".
    """

    text: str
    page: str
    args: tuple[str, ...] = ()
    query: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: in words, and the page, the verb on it and the command that do it."""

    text: str
    page: Link | None = None
    verb: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """One reason: a code for programs, a sentence for people, until when, by what, what to do.

    `because` says whether the sentence names what holds the job back ("the queue is
    paused"), or goes on from "It" ("is scheduled at …").
    """

    code: str
    sentence: str
    until: datetime | None = None
    by: str = ""
    because: bool = True
    steps: tuple[Step, ...] = ()

    @property
    def whole(self) -> str:
        """The reason as a sentence of its own."""
        said = self.sentence.rstrip(".")  # a reason that somebody wrote may end with one
        return f"It is not running because {said}." if self.because else f"It {said}."


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is not running, or how it ended: the sentence, what else holds, what to do."""

    code: str
    view: str
    sentence: str
    #: Further reasons, and what the last run left behind.
    also: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    until: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values; steps as text, verb and command."""
        steps = [
            {"text": step.text, "verb": step.verb, "command": step.command} for step in self.steps
        ]
        return asdict(self) | {"also": list(self.also), "steps": steps}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job, for its timeline.

    `tone` is one of good, bad, warn, info, idle; `detail` a text for who wants to know
    more, such as a traceback; `seconds` how long it took.
    """

    at: datetime
    title: str
    text: str = ""
    tone: str = "info"
    detail: str = ""
    seconds: float | None = None
    links: tuple[Link, ...] = field(default=())


def clock_time(moment: datetime) -> str:
    """Return a moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """Return a time span as people say it: `0.25 s`, `40 s`, `3 min`, `2 h 5 min`, `4 days`."""
    seconds = abs(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"


def ago(moment: datetime, now: datetime) -> str:
    """Return how far a moment is: `in 3 min`, `40 s ago`."""
    seconds = (moment - now) / timedelta(seconds=1)
    return f"in {span(seconds)}" if seconds > 0 else f"{span(seconds)} ago"


def count(number: int, thing: str) -> str:
    """Return `1 job` or `2 jobs`."""
    return f"{number} {thing}" if number == 1 else f"{number:,} {thing}s"


def waits(number: int, thing: str = "job") -> str:
    """Return `1 job waits` or `2 jobs wait`."""
    return f"{count(number, thing)} {'waits' if number == 1 else 'wait'}"
