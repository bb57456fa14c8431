"""The dispatcher: admission control. It reads what is due and rings, and writes nothing per job.

A round has seven steps:

1. Read what holds for the round: queues, circuits and the time, in one query (admission.py).
2. Keep a lane for each queue that it holds by its lease, and one behind each circuit that lets
   few through (lanes.py, gates.py).
3. Hear the nudge: queues, locks and jobs that somebody named since the last round.
4. Hear the answers: ask the ledger which doorbells were answered, and take up those that were
   not in time (bells.py). What was rung is in this process's memory alone.
5. Look at each lane in turn: read its due jobs and put them into doorbells, as many as its
   window has room for (admit.py, window.py).
6. Ring: send all doorbells in one pipeline (ringing.py).
7. Remember what was rung, and when to ring it again.

While the broker takes no doorbells a round ends after step 3. The loop around is in serve.py.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from uuid import UUID, uuid4

from celeriac.breakers.options import longest_ramp
from celeriac.jobs import counted
from celeriac.jobs.dispatching import admission, fleet, window
from celeriac.jobs.dispatching.admission import Weather
from celeriac.jobs.dispatching.admit import Look
from celeriac.jobs.dispatching.bells import Bells, Publisher, RingFailed, Rung
from celeriac.jobs.dispatching.fleet import Fleet
from celeriac.jobs.dispatching.gates import Gates
from celeriac.jobs.dispatching.lanes import Lane
from celeriac.jobs.dispatching.leases import Leases
from celeriac.jobs.dispatching.rescue import Contact
from celeriac.jobs.dispatching.ringing import Ringer
from celeriac.jobs.dispatching.window import Room
from celeriac.jobs.nudge import Nudge

#: Seconds between rounds: at rest, while a backlog waits for room, and while more of it than was
#: read waits behind a full window.
IDLE, BUSY, FULL = 1.0, 0.03, 0.01
#: Bells whose answers one round asks for, per queue, oldest first.
PROBES = 256
#: Commits may come this much later than their run_at without a nudge and be seen soon.
LATE = 2.0
#: Moments of jobs to come that are kept in mind.
_MOST_ALARMS = 10_000
#: Seconds from which on a question is one that is not asked each round.
_COSTLY = 0.005


class Dispatcher:
    """One process' admission control, for the queues that it holds."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        queues: Iterable[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = uuid4()
        self.publisher = publisher
        self.clock = clock
        self.ringer = Ringer(publisher, clock)
        name = f"{socket.gethostname()}:{os.getpid()}"
        self.leases = Leases(self.id, name, frozenset(queues) if queues else None)
        self.lanes: dict[str, Lane] = {}
        self.bells = Bells()
        self.fleet = Fleet()
        self.contact = Contact()
        self.weather = Weather({}, frozenset(), 0.0)
        self.gates = Gates()
        self.rung = 0
        self._turn = 0
        self._probed_at = 0.0
        self._busy: dict[UUID, int] = {}
        self._busy_until = 0.0
        self._timed: dict[str, float] = {}
        self._untimed: set[str] = set()
        self._alarms: list[float] = []  # run_at of jobs to come, by the database's clock

    # -- a round -------------------------------------------------------------------------

    def round(self, nudge: Nudge) -> int:
        """Ring what may be rung now; return how many jobs that was."""
        self._read_facts()  # 1
        self._keep_lanes()  # 2
        self._hear(nudge)  # 3
        if self.ringer.rest:
            return 0
        self._hear_answers()  # 4
        turn = self._in_turn()
        places = {name: self.lanes[name].place for name in {lane.name for lane in turn}}
        rungs = [rung for lane in turn for rung in self._look(lane)]  # 5
        failure = self.ringer.ring([rung.bell for rung in rungs]) if rungs else None  # 6
        if failure is None or (isinstance(failure, RingFailed) and failure.uncertain):
            self._remember(rungs, uncertain=failure is not None)  # 7
        else:  # nothing was rung, and all is read again
            for name, place in places.items():
                self.lanes[name].go_back(place)
        return 0 if failure else sum(len(rung.bell.ids) for rung in rungs)

    def _read_facts(self) -> None:
        self.weather = admission.weather(self.id, ramp=longest_ramp())
        for name in self.gates.follow(self.weather, self.clock()):
            self.bells.forget_kinds(fleet.guarded_by(name))
        self.contact.touch(self.clock())

    def _keep_lanes(self) -> None:
        """Follow the leases and pauses."""
        wanted = set(self.leases.wanted())
        held = {each.name: each for each in self.weather.queues.values() if each.held}
        for name in self.lanes.keys() - (held.keys() & wanted):
            del self.lanes[name]
            self.bells.forget(name)
        fresh = []
        for name in held.keys() & wanted:
            lane = self.lanes.get(name)
            if lane is None or (lane.paused and not held[name].paused):
                lane = self.lanes[name] = Lane(name, held[name].window, more=True)
                fresh.append(name)
            if held[name].paused and not lane.paused:
                lane.strays.clear()
                self.bells.forget(name)
            lane.window, lane.paused = held[name].window, held[name].paused
            lane.may_ring(self.fleet.row_kinds(name, self.weather.blocked | self.gates.names))
        self.find_levels(fresh)
        self.gates.keep(self.lanes, self.fleet)

    def _hear(self, nudge: Nudge) -> None:
        if nudge.missed:
            self.find_levels(self.lanes)
            for lane in self.lanes.values():
                lane.look_back(LATE)
            self.bells.doubt(self.clock() + window.AGAIN_DOUBTED)
            self.ringer.hasten()
        for queue, levels in nudge.queues.items():
            self._hear_queue(queue, levels)
        if nudge.locks:
            self.bells.free(nudge.locks)
            for job_id, queue in admission.next_of_lock(locks=nudge.locks, queues=self.lanes):
                self._look_at(queue, {job_id: 0})
        if nudge.ids:
            for job_id, queue in admission.homes(ids=nudge.ids, queues=self.lanes):
                self.bells.overlook(job_id)
                self._look_at(queue, {job_id: 0})

    def _look_at(self, queue: str, rings: dict[UUID, int]) -> None:
        """Have jobs looked at by id, which were rung so often before."""
        for lane in (self.lanes[queue], *self.gates.behind(queue)):
            lane.look_at(rings)

    def _hear_queue(self, queue: str, levels: dict[int, float]) -> None:
        if (lane := self.lanes.get(queue)) is None:
            return
        for priority, run_at in levels.items():
            lane.hear(priority, min(run_at, self._now()))
            if run_at > self._now() and len(self._alarms) < _MOST_ALARMS:
                heappush(self._alarms, run_at)

    def _hear_answers(self) -> None:
        """Ask which bells were answered, and gather the jobs of those that waited too long."""
        now = self.clock()
        if now - self._probed_at >= BUSY / 2 and len(self.bells):
            self._probed_at = now
            asked = self.bells.probes(each=PROBES)
            while asked:
                answered = self.bells.settle(asked, admission.probe(asked), now)
                asked = self.bells.probes(each=PROBES) if answered > len(asked) / 2 else {}
        for rung in list(self.bells.overdue(now)):
            self._look_at(rung.bell.queue, dict.fromkeys(rung.bell.ids, rung.rings))
        while self._alarms and self._alarms[0] <= self._now():
            heappop(self._alarms)

    def _in_turn(self) -> list[Lane]:
        """Return the lanes to read, another one first each time."""
        lanes, now = [self.lanes[name] for name in sorted(self.lanes)], self.clock()
        self._turn = (self._turn + 1) % max(len(lanes), 1)
        turned = lanes[self._turn :] + lanes[: self._turn]
        # Behind a gate few may go, so they go first.
        every = (each for lane in turned for each in (*self.gates.behind(lane.name), lane))
        return [each for each in every if each.may_be_read(now)]

    def _look(self, lane: Lane) -> list[Rung]:
        room = self._room(lane)
        if not lane.kinds or room.slots == 0:
            return []
        if not room.is_worth_a_look:
            lane.full = True
            return []
        started = self.clock()
        look = Look(lane=lane, fleet=self.fleet, bells=self.bells, room=room)
        rungs = look.take()
        self._untimed |= look.untimed
        lane.rest_after(started, self.clock())
        return rungs

    def _room(self, lane: Lane) -> Room:
        neighbours = self.fleet.neighbours.get(lane.name, {lane.name})
        crew = self.fleet.crew(lane.name)

        def free() -> int:
            busy = self._busy_slots()
            idle = sum(max(0, slots - busy.get(w, 0)) for w, slots in crew.workers.items())
            return idle - self.bells.count(neighbours)

        return Room(
            window=lane.window,
            slots=crew.slots,
            ahead=self.bells.seconds(lane.name),
            free=free,
            pace=lane.pace,
        )

    def _busy_slots(self) -> dict[UUID, int]:
        """Return the taken slots of every worker: asked anew each round while that is cheap."""
        started = self.clock()
        if started >= self._busy_until:
            workers = {w for name in self.lanes for w in self.fleet.crew(name).workers}
            self._busy = fleet.busy(workers)
            cost = (ended := self.clock()) - started
            self._busy_until = ended + (20 * cost if cost > _COSTLY else BUSY / 2)
        return self._busy

    def _remember(self, rungs: Sequence[Rung], *, uncertain: bool) -> None:
        now = self.clock()
        for rung in rungs:
            self.bells.add(rung)
            queue = rung.bell.queue
            wait = (
                window.AGAIN_UNCERTAIN
                if uncertain
                else window.ring_again_after(
                    self.bells.seconds(queue), self.fleet.crew(queue).slots, rung.rings
                )
            )
            rung.again_at, rung.sure = now + wait, not uncertain
            self.rung += len(rung.bell.ids)
            counted.rung(queue, len(rung.bell.ids))

    # -- between rounds ------------------------------------------------------------------

    def pause(self) -> float:
        """Return how long to wait for a nudge before the next round, in seconds."""
        lanes = [lane for lane in self.lanes.values() if not lane.paused and lane.kinds]
        if rest := self.ringer.rest:
            return min(rest, IDLE)
        ready = [lane for lane in lanes if lane.more and lane.rests_until <= self.clock()]
        if ready:  # nothing goes into a full window before some of it is answered
            return FULL if all(lane.full for lane in ready) else 0.0
        if any(lane.more or lane.full for lane in lanes):
            return BUSY
        soon = max(0.0, min(IDLE, self._alarms[0] - self._now() if self._alarms else IDLE))
        return self.gates.patience(self._now(), soon)

    def read_fleet(self) -> None:
        """Read the living workers, and the run times that none of them knows."""
        fresh = fleet.read()
        asked = {kind for kind in self._untimed if kind not in fresh.run_times}
        if asked:
            self._timed |= fleet.recent_run_times(asked)
        fresh.run_times = self._timed | fresh.run_times
        self.fleet = fresh

    def find_levels(self, queues: Iterable[str]) -> None:
        """Read which priorities have queued jobs."""
        if not (names := list(queues)):
            return
        found = admission.priorities(names)
        for name in names:
            self.lanes[name].levels = found.get(name, set())

    def look_back(self) -> None:
        """Let lanes at rest read again what came late."""
        for lane in self.lanes.values():
            if not lane.more and not lane.full:
                lane.look_back(LATE)

    def _now(self) -> float:
        """Return the database's time at the start of the round (epoch seconds)."""
        return self.weather.now
