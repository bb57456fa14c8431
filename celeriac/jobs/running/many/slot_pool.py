"""Answering doorbells in a process that runs many jobs at once, each in a slot of its own.

The steps of a run are those of execute.py. What differs: as many ids as there are free slots are
claimed together, whatever doorbells they came with (1); the runs start at once, in threads or on a
loop (2-4); and what ends is settled together with what else has ended (5, 6), by settler.py. So
one slow job holds one slot. A job with losses never gets here: it runs in a process of its own
(lone_jobs.py).
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID, uuid4

from celeriac.jobs import nudge, outcomes
from celeriac.jobs.log_names import job_names
from celeriac.jobs.losses import Loss
from celeriac.jobs.running import current, execute, turns
from celeriac.jobs.running.claim import lonely_jobs
from celeriac.jobs.running.journals import Journal
from celeriac.jobs.running.many.run_slot import RunSlot
from celeriac.jobs.running.many.settler import Settler
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.setbacks import MOST, UnfitProcess, one_line
from celeriac.jobs.running.worker_context import WorkerContext, claim_surely

logger = logging.getLogger(__name__)

#: Seconds between two looks for a stop, where no slot is free.
LOOK_EVERY = 0.1
#: Seconds that a process which can't settle waits for a doorbell to end with.
UNASKED_AFTER = 1.0


class Performer(Protocol):
    """What takes runs through steps 2 to 4, many at once."""

    def start(self, slot: RunSlot, pool: "SlotPool") -> None:
        """Begin with the slot's run; call `pool.ended(slot)` once that is done."""

    def stop(self) -> None:
        """End: nothing runs any more."""


class SlotPool:
    """The slots of this process. `run_alone(ids)` has jobs run in processes of their own.

    `end()` ends this process at once: what is in its journal its parent settles.
    """

    def __init__(
        self,
        context: WorkerContext,
        journals: Sequence[Journal],
        *,
        performer: Performer,
        run_alone: Callable[[Sequence[UUID]], None],
        end: Callable[[], object],
    ) -> None:
        self._context = context
        self._end = end
        shared = replace(context, has_neighbours=True)
        self._shared = shared
        self._performer = performer
        self._run_alone = run_alone
        self._slots = [
            RunSlot(number, replace(shared, journal=journal))
            for number, journal in enumerate(journals, 1)
        ]
        self._free = deque(self._slots)
        self._changed = threading.Condition()
        self._setbacks = 0  # in a row
        self._settler = Settler(
            shared, others_run=self._others_run, free=self._take_back, fail=self._fail
        )
        self._settler.start()
        current.set_stop_check(context.stopping)

    @property
    def busy(self) -> list[RunSlot]:
        """The slots that have a run."""
        return [slot for slot in self._slots if slot.run is not None]

    def answer(self, ids: Sequence[UUID]) -> int:
        """Claim those of `ids` that may start, as slots become free; return how many did.

        Comes back once none of them waits here: what was claimed runs on. UnfitProcess when this
        process must end; then nothing runs in it any more.
        """
        waiting, count = deque(dict.fromkeys(ids)), 0
        while waiting:
            slots = self._take_slots(len(waiting))
            if not slots:
                nudge.nudge_jobs(ids=list(waiting))  # for somebody else, at once
                break
            count += self._claim([waiting.popleft() for _ in slots], slots)
        if count:
            self._context.look_around()
            self._context.count(count)
        if self._context.retiring:
            self.drain()
            raise UnfitProcess(self._context.retiring)
        return count

    def retire(self, reason: str) -> None:
        """Let nothing more start here: this process is to be replaced."""
        with self._changed:
            self._context.retiring = self._context.retiring or reason
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until everything has ended that can."""
        with self._changed:
            self._changed.wait_for(lambda: all(slot.is_stuck for slot in self.busy))

    def close(self) -> None:
        """Let everything end."""
        self.drain()
        self._performer.stop()
        self._settler.stop()

    def _take_slots(self, most: int) -> list[RunSlot]:
        """Return free slots once there are some; none where nothing more may start here."""
        with self._changed:
            while not self._may_not_start() and not self._free:
                self._changed.wait(LOOK_EVERY)
            if self._may_not_start():
                return []
            return [self._free.popleft() for _ in range(min(most, len(self._free)))]

    def _may_not_start(self) -> bool:
        return bool(self._context.retiring) or self._context.stopping()

    def _claim(self, ids: list[UUID], slots: list[RunSlot]) -> int:
        claim_id = uuid4()
        for slot, job_id in zip(slots, ids, strict=True):
            slot.open(claim_id, job_id)
        try:
            runs = claim_surely(ids, claim_id=claim_id, context=self._shared)  # 1
            if self._shared.setbacks.in_a_row:
                execute.release_latecomers(ids, claim_id, self._shared, runs)
                self._shared.setbacks.clear()
        except Exception as error:
            self._leave(slots, f"what it claimed is left to its journal: {one_line(error)}")
            return 0
        found = {run.job.id: run for run in runs}
        for slot, job_id in zip(slots, ids, strict=True):
            slot.run = found.get(job_id)
        begun = [slot for slot in slots if slot.run is not None]
        self._take_back([slot for slot in slots if slot.run is None])
        for slot in begun:  # the last step: one that ends at once is free, and no longer ours
            self._performer.start(slot, self)
        if len(ids) == 1 and not runs and (lonely := lonely_jobs(ids)):
            self._have_run_alone(lonely)
        return len(runs)

    def _have_run_alone(self, ids: list[UUID]) -> None:
        """Have jobs with losses run; a process that can't any more is to be replaced."""
        try:
            self._run_alone(ids)
        except OSError as error:
            nudge.nudge_jobs(ids=ids)
            self.retire(f"it can't run {job_names(ids)} without neighbours: {one_line(error)}")

    def _others_run(self) -> bool:
        return len(self._free) < len(self._slots) - 1

    def _take_back(self, slots: Sequence[RunSlot]) -> None:
        for slot in slots:
            slot.close()
        with self._changed:
            self._free.extendleft(slots)
            self._changed.notify_all()

    def _leave(self, slots: Sequence[RunSlot], reason: str) -> None:
        """Leave what is in these slots to the journal: nobody here knows what became of it."""
        for slot in slots:
            slot.is_stuck = True
        self.retire(reason)

    def _fail(self, slots: Sequence[RunSlot], reason: str) -> None:
        """Leave what ended in these slots to the journal, and let this process end for it.

        The next doorbell would end it; but none may come, and each beat vouches for their claims.
        """
        self._leave(slots, reason)
        threading.Thread(target=self._end_unasked, name="celeriac-end", daemon=True).start()

    def _end_unasked(self) -> None:
        self.drain()
        time.sleep(UNASKED_AFTER)  # who answers a doorbell now ends this process as well
        logger.error("process %d ends and is replaced: %s", os.getpid(), self._context.retiring)
        self._end()

    def ended(self, slot: RunSlot) -> None:
        """Settle the slot's run, and give the slot to the next."""
        self._settler.add(slot)

    def stumbled(self, slot: RunSlot, error: Exception) -> None:
        """Note that this process, not the handler, could not run a job; too often, and it ends."""
        turns.spare([run for run in (slot.run,) if run is not None], error)
        self._setbacks += 1
        if self._setbacks >= MOST:
            self.retire(f"it could not run {self._setbacks} jobs in a row: {one_line(error)}")

    def went_well(self) -> None:
        """Note that a job had its turn."""
        self._setbacks = 0


def perform_in_slot(slot: RunSlot, pool: SlotPool) -> None:
    """Take the slot's run through steps 2 to 4, in the thread that calls."""
    run = slot.run
    if run is None:
        return
    try:
        for each in turns.in_turn([run], slot.context):
            execute.take_turn(each, [run], slot.context)
        pool.went_well()
    except Exception as error:
        logger.exception("%s could not be run here", job_names([run.job.id]))
        pool.stumbled(slot, error)
    except BaseException as error:
        note_cut(run, error)


def note_cut(run: Run, error: BaseException) -> None:
    """Decide of a run whose end nobody can tell: it would have ended a process of its own."""
    if run.outcome is None:
        words = f"its handler would have ended its process: {one_line(error)}"
        run.decide(outcomes.loss(words, Loss.CHILD))
