"""The dispatcher: admission control. It reads what is due and rings, and writes nothing per job.

A round has eight steps:

1. Read what holds for the round: queues, circuits and the time, in one query (admission.py).
2. Keep a cursor for each queue that it holds by its lease, and one behind each circuit that lets
   few through (queue_cursors.py, circuit_throttles.py).
3. Hear the nudge: queues, locks and jobs that somebody named since the last round.
4. Hear the answers: ask the ledger which doorbells were answered, and take up those that were
   not in time (pending_doorbells.py). What was rung is in this process's memory alone.
5. Look at each queue cursor in turn: read its due jobs and put them into doorbells, as many as its
   window has room for (selection.py, window.py).
6. Ring: send all doorbells in one pipeline (ringing.py).
7. Remember what was rung, and when to ring it again.
8. Say on the open line what waits, so that nobody overtakes it (celeriac/jobs/open_line.py).

While the broker takes no doorbells a round ends after step 3. The loop around is in loop.py.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from uuid import UUID, uuid4

from celeriac.breakers.options import longest_ramp
from celeriac.jobs import metrics
from celeriac.jobs.dispatching import admission, live_workers, window
from celeriac.jobs.dispatching.admission import RoundSnapshot
from celeriac.jobs.dispatching.circuit_throttles import CircuitThrottles
from celeriac.jobs.dispatching.leases import Leases
from celeriac.jobs.dispatching.live_workers import Workers
from celeriac.jobs.dispatching.pending_doorbells import (
    DoorbellPublisher,
    PendingDoorbell,
    PendingDoorbells,
    RingFailed,
)
from celeriac.jobs.dispatching.queue_cursors import QueueCursor
from celeriac.jobs.dispatching.rescue import DatabaseContact
from celeriac.jobs.dispatching.ringing import Ringer
from celeriac.jobs.dispatching.selection import Selection
from celeriac.jobs.dispatching.window import Budget
from celeriac.jobs.nudge_message import Nudge

#: Seconds between rounds: at rest, and while a backlog waits for budget.
IDLE, BUSY = 1.0, 0.03
#: Bells whose answers one round asks for, per queue, oldest first.
PROBES = 256
#: Seconds that commits may come later than their run_at without a nudge, and be seen soon.
LATE = 2.0
#: Moments of jobs to come that are kept in mind.
_MOST_ALARMS = 10_000
#: Seconds from which on a question is one that is not asked each round.
_COSTLY = 0.005


class AdmissionControl:
    """One process' admission control, for the queues that it holds."""

    def __init__(
        self,
        *,
        publisher: DoorbellPublisher,
        queues: Iterable[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = uuid4()
        self.publisher = publisher
        self.clock = clock
        self.ringer = Ringer(publisher, clock)
        name = f"{socket.gethostname()}:{os.getpid()}"
        self.leases = Leases(self.id, name, frozenset(queues) if queues else None)
        self.cursors: dict[str, QueueCursor] = {}
        self.doorbells = PendingDoorbells()
        self.workers = Workers()
        self.contact = DatabaseContact()
        self.snapshot = RoundSnapshot({}, frozenset(), 0.0)
        self.throttles = CircuitThrottles()
        self.rung_count = 0
        self._turn = 0
        self._probed_at = 0.0
        self._busy: dict[UUID, int] = {}
        self._busy_until = 0.0
        self._timed: dict[str, float] = {}
        self._untimed: set[str] = set()
        self._alarms: list[float] = []  # run_at of jobs to come, by the database's clock

    def run_round(self, nudge: Nudge) -> int:
        """Ring what may be rung now; return how many jobs that was."""
        self._read_facts()  # 1
        self._follow_leases()  # 2
        self._hear(nudge)  # 3
        if self.ringer.rest:
            return 0
        self._hear_answers()  # 4
        turn = self._in_turn()
        places = {name: self.cursors[name].checkpoint for name in {cursor.name for cursor in turn}}
        doorbells = [pending for cursor in turn for pending in self._select(cursor)]  # 5
        failure = (
            self.ringer.ring([pending.doorbell for pending in doorbells]) if doorbells else None
        )  # 6
        if failure is None or (isinstance(failure, RingFailed) and failure.uncertain):
            self._remember(doorbells, uncertain=failure is not None)  # 7
        else:  # nothing was rung, and all is read again
            for name, place in places.items():
                self.cursors[name].restore(place)
        self.ringer.keep_line(self.cursors, self.workers, self.snapshot)  # 8
        return 0 if failure else sum(len(pending.doorbell.ids) for pending in doorbells)

    def _read_facts(self) -> None:
        self.snapshot = admission.read_snapshot(self.id, ramp=longest_ramp())
        for name in self.throttles.follow(self.snapshot, self.clock()):
            self.doorbells.forget_kinds(live_workers.guarded_by(name))
        self.contact.touch(self.clock())

    def _follow_leases(self) -> None:
        """Follow the leases and pauses."""
        wanted = set(self.leases.wanted())
        held = {each.name: each for each in self.snapshot.queues.values() if each.held}
        for name in self.cursors.keys() - (held.keys() & wanted):
            del self.cursors[name]
            self.doorbells.forget(name)
        fresh = []
        for name in held.keys() & wanted:
            cursor = self.cursors.get(name)
            if cursor is None or (cursor.paused and not held[name].paused):
                cursor = self.cursors[name] = QueueCursor(name, held[name].window, more=True)
                fresh.append(name)
            if held[name].paused and not cursor.paused:
                cursor.strays.clear()
                self.doorbells.forget(name)
            cursor.window, cursor.paused = held[name].window, held[name].paused
            cursor.may_ring(
                self.workers.row_kinds(name, self.snapshot.blocked | self.throttles.names)
            )
        self.find_levels(fresh)
        self.throttles.keep(self.cursors, self.workers)

    def _hear(self, nudge: Nudge) -> None:
        if nudge.missed:
            self.find_levels(self.cursors)
            for cursor in self.cursors.values():
                cursor.reread(LATE)
            self.doorbells.doubt(self.clock() + window.AGAIN_DOUBTED)
            self.ringer.hasten()
        for queue, levels in nudge.queues.items():
            self._hear_queue(queue, levels)
        if nudge.locks:
            self.doorbells.free(nudge.locks)
            for job_id, queue in admission.next_of_lock(locks=nudge.locks, queues=self.cursors):
                self._name_jobs(queue, {job_id: 0})
        if nudge.ids:
            for job_id, queue in admission.queues_of(ids=nudge.ids, queues=self.cursors):
                self.doorbells.overlook(job_id)
                self._name_jobs(queue, {job_id: 0})

    def _name_jobs(self, queue: str, rings: dict[UUID, int]) -> None:
        """Have jobs looked at by id, which were rung so often before."""
        for cursor in (self.cursors[queue], *self.throttles.behind(queue)):
            cursor.look_at(rings)

    def _hear_queue(self, queue: str, levels: dict[int, float]) -> None:
        if (cursor := self.cursors.get(queue)) is None:
            return
        for priority, run_at in levels.items():
            cursor.hear(priority, min(run_at, self._now()))
            if run_at > self._now() and len(self._alarms) < _MOST_ALARMS:
                heappush(self._alarms, run_at)

    def _hear_answers(self) -> None:
        """Ask which bells were answered, and gather the jobs of those that waited too long."""
        now = self.clock()
        if now - self._probed_at >= BUSY / 2 and len(self.doorbells):
            self._probed_at = now
            asked = self.doorbells.probes(each=PROBES)
            while asked:
                answered = self.doorbells.settle(asked, admission.probe_jobs(asked), now)
                asked = self.doorbells.probes(each=PROBES) if answered > len(asked) / 2 else {}
        for pending in list(self.doorbells.overdue(now)):
            self._name_jobs(
                pending.doorbell.queue, dict.fromkeys(pending.doorbell.ids, pending.rings)
            )
        while self._alarms and self._alarms[0] <= self._now():
            heappop(self._alarms)

    def _in_turn(self) -> list[QueueCursor]:
        """Return the queue cursors to read, another one first each time."""
        cursors, now = [self.cursors[name] for name in sorted(self.cursors)], self.clock()
        self._turn = (self._turn + 1) % max(len(cursors), 1)
        turned = cursors[self._turn :] + cursors[: self._turn]
        # Behind a throttle few may go, so they go first.
        every = (
            each for cursor in turned for each in (*self.throttles.behind(cursor.name), cursor)
        )
        return [each for each in every if each.may_be_read(now)]

    def _select(self, cursor: QueueCursor) -> list[PendingDoorbell]:
        budget = self._budget(cursor)
        if not cursor.kinds or budget.slots == 0:
            return []
        if not budget.is_worth_a_scan:
            cursor.full = True
            return []
        started = self.clock()
        selection = Selection(
            cursor=cursor, workers=self.workers, doorbells=self.doorbells, budget=budget
        )
        doorbells = selection.take()
        self._untimed |= selection.untimed
        cursor.rest_after(started, self.clock())
        return doorbells

    def _budget(self, cursor: QueueCursor) -> Budget:
        neighbours = self.workers.neighbours.get(cursor.name, {cursor.name})
        queue_workers = self.workers.of_queue(cursor.name)

        def free() -> int:
            busy = self._taken_slots()
            idle = sum(max(0, slots - busy.get(w, 0)) for w, slots in queue_workers.workers.items())
            return idle - self.doorbells.count(neighbours)

        return Budget(
            window=cursor.window,
            slots=queue_workers.slots,
            width=queue_workers.width,
            ahead=self.doorbells.seconds(cursor.name),
            free=free,
            bucket=cursor.bucket,
        )

    def _taken_slots(self) -> dict[UUID, int]:
        """Return the taken slots of every worker: asked anew each round while that is cheap."""
        started = self.clock()
        if started >= self._busy_until:
            workers = {w for name in self.cursors for w in self.workers.of_queue(name).workers}
            self._busy = live_workers.busy_slots(workers, shared=self.workers.shared)
            cost = (ended := self.clock()) - started
            self._busy_until = ended + (20 * cost if cost > _COSTLY else BUSY / 2)
        return self._busy

    def _remember(self, doorbells: Sequence[PendingDoorbell], *, uncertain: bool) -> None:
        now = self.clock()
        for pending in doorbells:
            self.doorbells.add(pending)
            queue = pending.doorbell.queue
            wait = (
                window.AGAIN_UNCERTAIN
                if uncertain
                else window.ring_again_after(
                    self.doorbells.seconds(queue), self.workers.of_queue(queue).slots, pending.rings
                )
            )
            pending.again_at, pending.sure = now + wait, not uncertain
            self.rung_count += len(pending.doorbell.ids)
            metrics.count_rung(queue, len(pending.doorbell.ids))

    def seconds_to_next_round(self) -> float:
        """Return how long to wait for a nudge before the next round, in seconds."""
        cursors = [cursor for cursor in self.cursors.values() if not cursor.paused and cursor.kinds]
        if rest := self.ringer.rest:
            return min(rest, IDLE)
        ready = [cursor for cursor in cursors if cursor.more and cursor.rests_until <= self.clock()]
        if ready:  # nothing goes into a full window before some of it is answered
            shortest = min(cursor.window for cursor in ready)
            return min(BUSY, shortest / 10) if all(cursor.full for cursor in ready) else 0.0
        if any(cursor.more or cursor.full for cursor in cursors):
            return BUSY
        soon = max(0.0, min(IDLE, self._alarms[0] - self._now() if self._alarms else IDLE))
        return self.throttles.patience(self._now(), soon)

    def read_workers(self) -> None:
        """Read the living workers, and the run times that none of them knows."""
        fresh = live_workers.read_workers()
        asked = {kind for kind in self._untimed if kind not in fresh.run_times}
        if asked:
            self._timed |= live_workers.recent_run_times(asked)
        fresh.run_times = self._timed | fresh.run_times
        self.workers = fresh

    def find_levels(self, queues: Iterable[str]) -> None:
        """Read which priorities have queued jobs."""
        if not (names := list(queues)):
            return
        found = admission.queued_priorities(names)
        for name in names:
            self.cursors[name].levels = found.get(name, set())

    def reread(self) -> None:
        """Let queues at rest read again what came late."""
        for cursor in self.cursors.values():
            if not cursor.more and not cursor.full:
                cursor.reread(LATE)

    def _now(self) -> float:
        """Return the database's time at the start of the round (epoch seconds)."""
        return self.snapshot.now
