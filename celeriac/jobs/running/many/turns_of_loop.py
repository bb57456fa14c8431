"""Whose step the loop of a process is at, and how long each step takes.

A coroutine runs in steps, from one thing that it awaits to the next. Meanwhile nothing else goes
on: a step that takes long blocks the jobs beside it. So each step of a job's task is noted, in the
child's journal too: the parent must know it even where no other Python can run in the child.
"""

import os
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from celeriac.jobs.running.awake_time import awake_seconds
from celeriac.jobs.running.journals import FileJournal
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.records import BEAT, TURN

#: Seconds of one step from which on it is said to block the loop.
BLOCKING = 0.5


class HasSlot(Protocol):
    """A run, as far as its turn goes."""

    slot: RunSlot


class LoopTurn[R: HasSlot]:
    """Whose step it is."""

    __slots__ = ("began", "held", "is_foreign", "lost", "run", "words")

    def __init__(self, journal: FileJournal, held: Callable[[R, float], None]) -> None:
        """`held` is told of each run that blocked the loop, and for how many seconds."""
        self.words = journal.shared
        self.run: R | None = None
        #: When the step began (monotonic seconds).
        self.began = 0.0
        #: Seconds that blocking steps have taken so far.
        self.lost = 0.0
        self.held = held
        #: Whether this is a fork's copy, whose steps are not its own.
        self.is_foreign = False

    def beat(self, at: float) -> None:
        """Note that the loop went round, `at` then by the child's clock."""
        self.words[BEAT] = at

    def step[T](self, run: R, function: Callable[..., T], *args: Any) -> T:
        """Take a step of a run."""
        outer, began = self.run, self.began
        self.run, self.began = run, time.monotonic()
        if not self.is_foreign:
            self.words[TURN] = run.slot.number
        try:
            return function(*args)
        finally:
            took = time.monotonic() - self.began
            self.run, self.began = outer, began
            if not self.is_foreign:
                if took > BLOCKING:
                    self._end_block(run, took)
                self.words[TURN] = 0.0 if outer is None else outer.slot.number

    def _end_block(self, run: R, took: float) -> None:
        """Let others' limits be later, then beat: the loop goes on, whoever is next there."""
        self.lost += took
        self.held(run, took)
        self.beat(awake_seconds())


class NotedSteps[R: HasSlot](Coroutine[Any, Any, Any]):
    """A coroutine of a run's whose steps are noted; to a task it is the coroutine itself."""

    __slots__ = ("__weakref__", "_inner", "_run", "_turn")

    def __init__(self, inner: Coroutine[Any, Any, Any], run: R, turn: LoopTurn[R]) -> None:
        self._inner, self._run, self._turn = inner, run, turn

    def send(self, value: Any) -> Any:
        """Go on to what is awaited next."""
        if self._turn.is_foreign:
            os._exit(1)  # of a fork that came back from its handler: nothing here is its own
        return self._turn.step(self._run, self._inner.send, value)

    def throw(self, *error: Any) -> Any:
        """Go on with an error."""
        if self._turn.is_foreign:
            os._exit(1)
        return self._turn.step(self._run, self._inner.throw, *error)

    def close(self) -> None:
        """End it where it is."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        """Return what debuggers ask of a coroutine."""
        return getattr(self._inner, name)
