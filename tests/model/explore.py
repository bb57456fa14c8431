"""Visit every world a model can reach; return the first that is broken, with its trace.

Breadth first, so that a trace is a shortest one. Safety is asked of each world;
liveness afterwards: a world from which no sequence of fair moves (no fault, no
operator) leads to a finished one is stuck, and so is a job in it.
"""

import gc
import time
from collections import deque
from dataclasses import dataclass, field

STUCK = "every committed job can still end"


@dataclass(frozen=True)
class Report:
    """What an exploration found: its size, and the broken invariant with a shortest trace."""

    states: int
    moves: int
    depth: int
    seconds: float
    broken: str = ""
    trace: tuple = ()


@dataclass
class Graph:
    """The worlds seen so far, how each was first reached, and the fair moves backwards."""

    index: dict = field(default_factory=dict)
    worlds: list = field(default_factory=list)
    reached: list = field(default_factory=list)
    before: list = field(default_factory=list)
    depth: list = field(default_factory=list)
    moves: int = 0

    def add(self, world, parent, label):
        """Return the number of `world`, and whether it is new."""
        number = self.index.setdefault(world, len(self.worlds))
        if number < len(self.worlds):
            return number, False
        self.worlds.append(world)
        self.reached.append((parent, label))
        self.before.append([])
        self.depth.append(0 if parent is None else self.depth[parent] + 1)
        return number, True

    def trace(self, number):
        """Return the (label, world) steps that first led to world `number`."""
        steps = []
        while number is not None:
            parent, label = self.reached[number]
            steps.append((label, self.worlds[number]))
            number = parent
        return tuple(reversed(steps))


def explore(model, *, limit=5_000_000):
    """Return the Report of `model`: exhaustive, unless something breaks first."""
    began, graph = time.perf_counter(), Graph()
    gc.disable()  # millions of tuples and no cycle: the collector would only look at them
    try:
        broken, number = _visit(model, graph, limit)
    finally:
        gc.enable()
    if not broken:
        number = _first_stuck(model, graph)
        broken = STUCK if number is not None else ""
    return Report(
        states=len(graph.worlds),
        moves=graph.moves,
        depth=max(graph.depth),
        seconds=time.perf_counter() - began,
        broken=broken,
        trace=graph.trace(number) if broken else (),
    )


def _visit(model, graph, limit):
    graph.add(model.initial, None, "start")
    for number, world in enumerate(graph.worlds):  # grows while it is walked: breadth first
        for label, after, fair in model.moves(world):
            graph.moves += 1
            reached, new = graph.add(after, number, label)
            if fair:
                graph.before[reached].append(number)
            if new and (broken := model.broken(after)):
                return broken, reached
        if len(graph.worlds) > limit:
            raise RuntimeError(f"More than {limit} worlds: give the configuration less.")
    return "", None


def _first_stuck(model, graph):
    """Return the first world from which fair moves lead to no finished one, or None."""
    alive = {number for number, world in enumerate(graph.worlds) if model.done(world)}
    queue = deque(alive)
    while queue:
        for number in graph.before[queue.popleft()]:
            if number not in alive:
                alive.add(number)
                queue.append(number)
    return next((number for number in range(len(graph.worlds)) if number not in alive), None)
