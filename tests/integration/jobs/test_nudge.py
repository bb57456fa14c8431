"""Nudges: once a transaction, after its commit, and never in the way."""

import os
import socket
import time
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import transaction

from apps.jobs import nudge
from apps.jobs.dispatching.listen import Listener
from apps.jobs.nudge import Nudge
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


@pytest.fixture
def sent(broker):
    """Return a function that returns the messages published since, decoded."""
    channel = broker.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(nudge.CHANNEL)
    wait_until(lambda: broker.pubsub_numsub(nudge.CHANNEL)[0][1] == 1)

    def messages():
        broker.publish(nudge.CHANNEL, "end")
        found = []
        while (message := channel.get_message(timeout=5)) is None or message["data"] != b"end":
            if message is not None:
                found.append(Nudge.decode(message["data"]))
        return found

    yield messages
    channel.close()


def tell(queue="default", priority=0, run_at=NOON, **options):
    """Nudge."""
    nudge.after_commit(queue=queue, priority=priority, run_at=run_at, **options)


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
            nudge.freed(locks=["a"])
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
    nudge.returned(ids=[uuid4()])
    nudge.worker_came()
    nudge.wake(queues=["payments"])
    nudge.freed(locks=[])
    returned, came, woken = sent()
    assert len(returned.ids) == 1
    assert came.workers
    assert woken.queues == {"payments": {}}


def test_a_broker_that_is_away_costs_next_to_nothing(settings):
    """One short attempt in five seconds, and no error."""
    with socket.socket() as deaf:  # takes connections, and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        settings.JOBS_NUDGE_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        started = time.monotonic()
        for _ in range(1000):
            tell()
        assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://nowhere", "nonsense"])
def test_a_nudge_never_raises(settings, url):
    """Whatever the address."""
    settings.JOBS_NUDGE_URL = url
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
    nudge.worker_came()
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
