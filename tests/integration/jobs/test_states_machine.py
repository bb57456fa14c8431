"""The pure state table and the database, driven together through random verbs."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from celeriac import Backoff, Superseded, TransitionRefused, cancel, enqueue, retry
from celeriac.core import clock
from celeriac.jobs import deciding, outcomes, registry, states
from celeriac.jobs.dispatching.expire import expire_jobs
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.running.claim import Capabilities, claim_jobs
from celeriac.jobs.schema import Schema
from celeriac.jobs.states import TERMINAL, Counters, State, Verb
from tests.support.runs import settle_one

KIND = "test.machine"
AT_ONCE = Backoff(max_attempts=3, base=0, cap=0)
KNOWN = Capabilities(kinds=(KIND,))
DECLARED = replace(registry.get_or_default(KIND), retry=AT_ONCE)
ENDINGS = {
    Verb.COMPLETE: lambda: outcomes.succeeded(None),
    Verb.RETRY: lambda: outcomes.observe_error(ValueError("no luck"), AT_ONCE),
    Verb.GIVE_UP: lambda: outcomes.observe_error(outcomes.GiveUp(), AT_ONCE),
    Verb.SNOOZE: lambda: outcomes.observe_error(outcomes.Snooze(0), AT_ONCE),
    Verb.STOP: lambda: outcomes.observe_error(outcomes.Cancelled(), AT_ONCE),
    Verb.RELEASE: lambda: outcomes.released("stopping"),
    Verb.RESCUE: lambda: outcomes.loss("its worker died"),
}


@dataclass(frozen=True)
class Model:
    """What the table says of a job."""

    state: State
    counters: Counters
    unique_key: str | None
    expires: bool = False
    cancel_requested: bool = False
    claim_id: UUID | None = None
    attempts: int = 0

    def moved(self, verb, counted=None, **changes):
        """Return the model after `verb`; KeyError where the table has no edge."""
        state = states.after(self.state, verb)
        counters = states.count(self.counters, counted or verb)
        return replace(self, state=state, counters=counters, **changes)


class Ledger(RuleBasedStateMachine):
    """Each rule does a thing to the database and to the model."""

    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        Attempt.objects.all().delete()
        Job.objects.all().delete()
        self.model = {}

    def queued(self, key):
        """Return the queued job of a unique key, as the model knows it."""
        found = [i for i, m in self.model.items() if m.state == "queued" and m.unique_key == key]
        return found[0] if key and found else None

    @rule(target=jobs, key=st.sampled_from([None, None, "u", "v"]), expires=st.booleans())
    def enqueue(self, key, expires):
        """A new job, or the queued one of that key."""
        duplicate = self.queued(key)
        moment = datetime(2098, 1, 1, tzinfo=UTC) if expires else None
        job = enqueue(KIND, {}, unique_key=key, expires_at=moment)
        assert job.absorbed == (duplicate is not None)
        if duplicate is not None:
            assert job.id == duplicate
            old = self.model[duplicate]
            self.model[duplicate] = replace(old, expires=old.expires and expires)
            return multiple()
        self.model[job.id] = Model(
            states.after(None, Verb.ENQUEUE), Counters(), key, expires=expires
        )
        return job.id

    @rule(job=jobs)
    def claim(self, job):
        """Only a queued job can be claimed."""
        claim_id = uuid4()
        taken = claim_jobs([job], claim_id=claim_id, worker=uuid4(), known=KNOWN)
        model = self.model[job]
        assert bool(taken) == states.allows(model.state, Verb.CLAIM)
        if taken:
            self.model[job] = model.moved(Verb.CLAIM, claim_id=claim_id)

    @rule(job=jobs, ending=st.sampled_from(sorted(ENDINGS)), stale=st.sampled_from([0, 0, 0, 1]))
    def settle(self, job, ending, stale):
        """The owner's word counts, a stale one does not."""
        model = self.model[job]
        c = model.counters
        outcome = ENDINGS[ending]()
        settlement = deciding.decide_settlement(
            outcome, DECLARED, c.attempt, c.failures, c.losses, AT_ONCE.max_attempts
        )
        claim_id = uuid4() if stale or model.claim_id is None else model.claim_id
        run = settle_one(job, claim_id, settlement)
        assert run.is_refused == (claim_id != model.claim_id)
        if run.is_refused:
            return
        verb = states.overtaken_by_cancel(settlement.verb, cancel_requested=model.cancel_requested)
        if states.after(model.state, verb) == State.QUEUED and self.queued(model.unique_key):
            verb = Verb.SUPERSEDE
        after = model.moved(
            verb, counted=settlement.verb, claim_id=None,
            attempts=model.attempts + settlement.writes_attempt,
        )  # fmt: skip
        if settlement.verb is Verb.GIVE_UP:
            after = replace(after, counters=Counters(
                c.attempt, c.failures + settlement.failures, c.losses + settlement.losses
            ))  # fmt: skip
        self.model[job] = after
        assert run.settled.state == after.state

    @rule(job=jobs)
    def cancel(self, job):
        """At once while queued, asked for while running, refused afterwards."""
        model = self.model[job]
        if model.state in TERMINAL:
            with pytest.raises(TransitionRefused):
                cancel(job)
        elif model.state == State.RUNNING:
            cancel(job)
            self.model[job] = replace(model, cancel_requested=True)
        else:
            cancel(job)
            self.model[job] = model.moved(Verb.CANCEL, cancel_requested=True)

    @rule(job=jobs)
    def revive(self, job):
        """Only what ended badly, and only while its key is free."""
        model = self.model[job]
        if not states.allows(model.state, Verb.REVIVE):
            with pytest.raises(TransitionRefused):
                retry(job)
        elif self.queued(model.unique_key):
            with pytest.raises(Superseded):
                retry(job)
        else:
            retry(job)
            self.model[job] = model.moved(Verb.REVIVE, cancel_requested=False, expires=False)

    @rule()
    def expire(self):
        """A deadline binds the first start only."""
        late = datetime(2099, 1, 1, tzinfo=UTC) - clock.db_now()
        with clock.offset_clock(timedelta(seconds=late.total_seconds())):
            expire_jobs()
        for job, model in self.model.items():
            if model.expires and model.state == State.QUEUED and model.counters.attempt == 0:
                self.model[job] = model.moved(Verb.EXPIRE)

    @rule(job=consumes(jobs))
    def forget(self, job):
        """Leave this job alone from here on."""

    @invariant()
    def the_database_agrees(self):
        """Every row is as the model says, and no row is missing."""
        rows = Job.objects.in_bulk()
        assert rows.keys() == self.model.keys()
        runs = list(Attempt.objects.values_list("job_id", flat=True))
        for job_id, model in self.model.items():
            row = rows[job_id]
            assert row.state == model.state
            assert Counters(row.attempt, row.failures, row.losses) == model.counters
            assert row.claim_id == model.claim_id
            assert (row.cancel_requested_at is not None) == model.cancel_requested
            assert (row.finished_at is not None) == (row.state in TERMINAL)
            assert runs.count(job_id) == model.attempts
            assert (row.superseded_by is None) or row.state == State.CANCELLED


@pytest.mark.django_db
def test_no_sequence_of_verbs_parts_the_table_and_the_database():
    """Hypothesis looks for one."""

    def handler():
        """Do nothing."""

    registry.declare_kind(
        registry.Kind(name=KIND, handler=handler, schema=Schema.of(handler), retry=AT_ONCE)
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    try:
        run_state_machine_as_test(
            Ledger,
            settings=settings(
                max_examples=30,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        registry.forget_kind(KIND)
