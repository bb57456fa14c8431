"""Nudges: once a transaction, after its commit, and never in the way."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction
from hypothesis import given, settings as examples, strategies as st

from celeriac.jobs import nudge
from celeriac.jobs.dispatching import nudge_listener
from celeriac.jobs.dispatching.nudge_listener import Listener
from celeriac.jobs.dispatching.queue_cursors import QueueCursor
from celeriac.jobs.nudge_message import Nudge
from tests.support.invalid_values import NUDGES
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh():
    """Let every test speak."""
    nudge.reset()
    yield
    nudge.reset()


@pytest.fixture
def listener(broker):
    """Yield an ear that has heard nothing yet."""
    ear = Listener(os.environ["BROKER_URL"])
    assert ear.start(timeout=10)
    assert ear.wait(10).missed
    yield ear
    ear.close()


def tell(queue="default", priority=0, run_at=NOON, **options):
    """Nudge."""
    nudge.nudge_after_commit(queue=queue, priority=priority, run_at=run_at, **options)


def test_a_transaction_sends_one_nudge_after_its_commit(sent):
    """With the earliest time of every queue and priority, ids and locks."""
    hit = uuid4()
    with transaction.atomic():
        tell()
        tell(run_at=NOON.timestamp() - 5)
        with transaction.atomic():
            tell(priority=9, unique_hit=hit)
        with transaction.atomic():
            tell(queue="payments")
            nudge.nudge_locks(locks=["a"])
        assert sent() == []
    (heard,) = sent()
    noon = NOON.timestamp()
    assert heard.queues == {"default": {0: noon - 5, 9: noon}, "payments": {0: noon}}
    assert (heard.ids, heard.locks) == ({hit}, {"a"})


def test_a_rollback_sends_nothing(sent):
    """There is nothing to tell."""
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)
    assert sent() == []


def test_news_after_a_rolled_back_savepoint_is_sent(sent):
    """The hook went with the savepoint: another is made."""
    with transaction.atomic():
        with transaction.atomic():
            tell(queue="payments")
            transaction.set_rollback(True)
        tell()
    (heard,) = sent()
    assert list(heard.queues) == ["default"]


def test_news_before_a_rolled_back_savepoint_is_sent(sent):
    """It is not the savepoint's."""
    with transaction.atomic():
        tell()
        with transaction.atomic():
            tell()
            transaction.set_rollback(True)
    assert len(sent()) == 1


def test_without_a_transaction_it_is_sent_at_once(sent):
    """Each of them."""
    nudge.nudge_jobs(ids=[uuid4()])
    nudge.nudge_worker()
    nudge.nudge_queues(queues=["payments"])
    nudge.nudge_locks(locks=[])
    returned, came, woken = sent()
    assert len(returned.ids) == 1
    assert came.workers
    assert woken.queues == {"payments": {}}


def test_a_broker_that_is_away_costs_next_to_nothing(settings):
    """One short attempt in five seconds, and no error."""
    with socket.socket() as deaf:  # takes connections, and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        settings.CELERIAC = {
            **settings.CELERIAC,
            "NUDGE_URL": f"redis://127.0.0.1:{deaf.getsockname()[1]}/0",
        }
        started = time.monotonic()
        for _ in range(1000):
            tell()
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://nowhere", "nonsense"])
def test_a_nudge_never_raises(settings, url):
    """Whatever the address."""
    settings.CELERIAC = {**settings.CELERIAC, "NUDGE_URL": url}
    tell()


def test_a_listener_hears_and_merges(listener):
    """What came while nobody waited comes as one."""
    tell()
    tell(priority=3)
    heard = Nudge()
    wait_until(lambda: heard.merge(listener.wait(0.2)) or len(heard.queues.get("default", {})) == 2)
    assert not listener.wait(0)


def test_a_listener_ignores_what_is_no_nudge(listener, broker):
    """And hears the next."""
    for noise in ("{", "[]", '{"ids": [1]}', '{"queues": {"a": [[]]}}', '{"ids": ["x"]}'):
        broker.publish(nudge.CHANNEL, noise)
    nudge.nudge_worker()
    wait_until(lambda: listener.wait(0.2).workers)


def test_a_listener_comes_back_with_its_broker(listener, broker):
    """And says that it may have missed something."""
    broker.client_kill_filter(_type="pubsub")
    wait_until(lambda: listener.wait(0.2).missed)
    nudge.reset()
    tell()
    wait_until(lambda: listener.wait(0.2).queues)


def test_a_wait_can_be_interrupted(listener):
    """By a signal handler."""
    listener.interrupt()
    started = time.monotonic()
    assert not listener.wait(30)
    assert time.monotonic() - started < 10


def test_a_nudge_survives_the_wire():
    """All of it."""
    before = Nudge(ids={uuid4()}, locks={"a", "b"}, workers=True)
    before.add("default", -5, 12.5)
    assert Nudge.decode(before.encode()) == before


def test_a_fork_may_speak_though_another_thread_spoke_at_that_moment():
    """The watch nudges while the worker replaces a dead child: its lock is copied as it is."""
    with nudge._sender._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if nudge._sender._lock.acquire(timeout=1) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "queues": ANYTHING | st.dictionaries(st.text(), st.lists(st.lists(ANYTHING, max_size=3))),
        "ids": ANYTHING | st.lists(ANYTHING | st.uuids().map(str)),
        "locks": ANYTHING | st.lists(st.text(max_size=600) | st.just("\0")),
        "workers": ANYTHING,
        "canary": ANYTHING,
    },
)


@examples(max_examples=int(os.environ.get("FUZZ", "40")), deadline=None)
@given(said=(ANYTHING | NEARLY).map(json.dumps) | st.binary() | st.sampled_from(NUDGES))
def test_what_is_read_as_a_nudge_can_be_acted_on(said):
    """Anything else is a ValueError: no other error, and nothing that the database would refuse."""
    try:
        heard = Nudge.decode(said)
    except ValueError:
        return
    lane = QueueCursor("default", 1.5)
    for levels in heard.queues.values():
        for priority, run_at in levels.items():
            lane.hear(priority, run_at)
    for text in (*heard.queues, *heard.locks):
        assert "\0" not in text
        text.encode()


def test_a_dead_thread_is_replaced_and_hears(listener, broker, monkeypatch):
    """Whatever ended it."""
    monkeypatch.setattr(Listener, "_is_over", property(lambda self: True))
    wait_until(lambda: not listener._thread.is_alive())
    monkeypatch.undo()
    listener.tend()
    wait_until(lambda: listener.wait(0.2).missed)
    nudge.nudge_worker()
    wait_until(lambda: listener.wait(0.2).workers)


def test_nothing_that_a_listener_meets_ends_its_thread(listener, broker, monkeypatch):
    """Not the errors of its broker alone."""
    monkeypatch.setattr(Nudge, "decode", lambda data: 1 / 0)
    nudge.nudge_worker()
    wait_until(lambda: not listener._hears.is_set())
    monkeypatch.undo()
    wait_until(lambda: listener.wait(0.2).missed)
    nudge.reset()
    nudge.nudge_worker()
    wait_until(lambda: listener.wait(0.2).workers)


def test_a_quiet_ear_is_asked_and_a_deaf_one_is_replaced(listener, monkeypatch):
    """A canary comes back through the channel; where none does, another thread listens."""
    monkeypatch.setattr(nudge_listener, "QUIET", 0.2)
    monkeypatch.setattr(nudge_listener, "PATIENCE", 0.1)

    def hears():
        listener.tend()
        return not listener.is_deaf and listener._heard_at > listener._asked_at

    wait_until(hears)
    monkeypatch.setattr(Listener, "_hand_over", lambda self, data: None)
    first = listener._thread
    wait_until(lambda: listener.tend() or listener.is_deaf)
    wait_until(lambda: listener.tend() or listener._thread is not first)
    monkeypatch.undo()
    wait_until(lambda: listener.tend() or not listener.is_deaf)


def test_a_flood_becomes_a_look_everywhere(broker, monkeypatch):
    """A dispatcher that is busy keeps no more than so many of them."""
    monkeypatch.setattr(nudge_listener, "MOST_WAITING", 3)
    ear = Listener(os.environ["BROKER_URL"])
    for _ in range(9):
        ear._hand_over(Nudge(ids={uuid4()}).encode().encode())
    heard = ear.wait(0)
    assert len(heard.ids) == 3
    assert heard.missed
