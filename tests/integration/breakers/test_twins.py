"""The circuit in memory follows the one in the store, step by step."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from celeriac.breakers.local import LocalCircuit
from celeriac.breakers.options import Options
from celeriac.breakers.replies import BreakerState, CallResult, Report, Snapshot
from celeriac.breakers.shared_store import SharedCircuit, connect_store

OPTIONS = Options(
    window=1000,
    window_calls=7,
    min_volume=4,
    failure_rate=0.5,
    slow_rate=0.75,
    cooldown=500,
    max_cooldown=5000,
    permit=500,
    probes=2,
    stable=1000,
)
TOKENS = st.sampled_from(["ada", "bob"])
STEPS = st.one_of(
    st.tuples(st.just("acquire"), TOKENS),
    st.tuples(
        st.just("report"),
        TOKENS,
        st.booleans(),
        st.sampled_from(list(CallResult)),
        st.booleans(),
        st.sampled_from([0, 0, 0, 700]),
        st.sampled_from([0, 0, 0, -1]),
    ),
    st.tuples(st.just("move"), st.sampled_from([*BreakerState, BreakerState.HALF_OPEN])),
    st.tuples(st.just("force"), st.sampled_from(["", "open", "closed"])),
)


@pytest.fixture
def store():
    """One connection for all examples."""
    return connect_store()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, max_size=40))
def test_store_and_memory_answer_alike(store, steps):
    """Same verdict, version, state and counts after every step; waits within a second."""
    name = uuid.uuid4().hex
    shared, local = SharedCircuit(name, store), LocalCircuit(name)
    shared.sync(OPTIONS, Snapshot())
    edit = version = 0
    for step in steps:
        if step[0] == "force":
            edit += 1
            known = Snapshot(forced=step[1], edit=edit)
            shared.sync(OPTIONS, known)
            local.adopt(known)
            continue
        one, other = (perform(circuit, step, version) for circuit in (shared, local))
        assert facts(one) == facts(other)
        assert abs(one.wait - other.wait) < 1
        version = one.version


def perform(circuit, step, version):
    """Take one step of a caller that knows the circuit's present version, or is late."""
    match step:
        case ("acquire", token):
            return circuit.acquire(OPTIONS, token)
        case ("move", to):
            return circuit.move(OPTIONS, to)
    _, token, probe, finding, slow, asked, late = step
    return circuit.report(OPTIONS, Report(version + late, token, probe, finding, slow, asked))


def facts(reply):
    """Return what must be the same."""
    counts = (reply.calls, reply.failures, reply.slow, reply.in_a_row)
    endless = reply.wait < 0
    move = (reply.moved_from, reply.state, reply.version, reply.opened)
    return reply.verdict, move, counts, endless
