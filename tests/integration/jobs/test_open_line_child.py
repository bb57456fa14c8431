"""One child's place on the line: a thread, a real broker, and a parent in the test's hand."""

import os
import threading
import time
from uuid import uuid4

import pytest

from celeriac.celery import open_line as child_side
from celeriac.celery.instance import WorkerInstance
from celeriac.celery.open_line import OpenLine
from celeriac.jobs import nudge, open_line
from celeriac.jobs.open_line import PREFIX
from tests.support.conf import configure
from tests.support.processes import wait_until

pytestmark = pytest.mark.usefixtures("closed_clients")


@pytest.fixture
def instance(tmp_path):
    """Yield a worker's instance that consumes two queues."""
    made = WorkerInstance(tmp_path)
    made.line_queues = ["default", "payments"]
    yield made
    made.leave()


class Child(threading.Thread):
    """A child that has just answered a doorbell."""

    def __init__(self, instance, answer):
        """Do not stay yet."""
        super().__init__(daemon=True)
        self.line = OpenLine(instance)
        self.mailbox = f"{PREFIX}mail:{self.line.name}"
        self.place = f"{PREFIX}place:{self.line.name}"
        self.answer, self.error = answer, None
        self.answered, self.left_after = [], None

    def run(self):
        """Stay on the line."""
        began = time.monotonic()
        try:
            self.line.stay(self._answer)
        except BaseException as error:
            self.error = error
        self.left_after = time.monotonic() - began

    def _answer(self, ids):
        self.answered.append(ids)
        if self.answer is not None:
            self.answer(ids)


@pytest.fixture
def child(instance, broker, monkeypatch):
    """Yield a function that puts a child onto the line; it leaves with the test."""
    started = []

    def stay(answer=None, name=None, waits=True):
        one = Child(instance, answer)
        if name:
            one.line.name = name
            one.line._mail = one.mailbox = f"{PREFIX}mail:{name}"
            one.place = f"{PREFIX}place:{name}"
        started.append(one)
        one.start()
        if waits:
            wait_until(lambda: broker.exists(one.place), every=0.002)
        return one

    yield stay
    instance.stop()
    for each in started:
        each.join(5)
        assert not each.is_alive()


@pytest.fixture
def ring(broker):
    """Return a function that puts a doorbell onto the line; it returns its ids."""

    def one(queue="default", many=1):
        ids = [uuid4() for _ in range(many)]
        bell = (queue, open_line.encode_doorbell("test.noop", ids))
        assert open_line.ring(broker, [bell], {})[0] == [True]
        return ids

    return one


def test_a_child_answers_what_comes_and_stays(child, ring, broker):
    """From any of its queues; in between it offers its place anew."""
    one = child()
    for queue in ("default", "payments", "default"):
        ids = ring(queue)
        wait_until(lambda ids=ids: one.answered[-1:] == [ids], timeout=2, every=0.002)
        wait_until(lambda: broker.exists(one.place), every=0.002)
    assert one.is_alive()


def test_a_doorbell_is_answered_within_milliseconds(child, ring, broker):
    """It wakes the child; nothing is polled."""
    one = child()
    began = time.monotonic()
    ring()
    wait_until(lambda: one.answered, timeout=2, every=0.0005)
    assert time.monotonic() - began < 0.2


def test_a_called_child_goes_at_once_and_leaves_nothing(child, instance, broker):
    """The parent has a message that no child is free for."""
    one = child()
    began = time.monotonic()
    instance.call_off(1)
    one.join(2)
    assert not one.is_alive()
    assert time.monotonic() - began < 0.2
    assert not broker.keys(f"{PREFIX}*")
    assert not instance.take_call()


def test_a_called_child_tells_the_broker_once(child, instance, broker, monkeypatch):
    """What it tells wakes it too: a plain task waits for it."""
    said = []
    leave = child_side.LEAVE
    monkeypatch.setattr(child_side, "LEAVE", lambda **told: said.append(told) or leave(**told))
    waiting = child()
    instance.call_off(1)
    waiting.join(2)
    assert not waiting.is_alive()
    assert len(said) == 1
    assert broker.exists(waiting.place, waiting.mailbox) == 0


def test_one_call_takes_one_child_of_two(child, instance):
    """The other goes back onto the line."""
    both = [child(name="a"), child(name="b")]
    instance.call_off(1)
    wait_until(lambda: any(not each.is_alive() for each in both), timeout=10)
    time.sleep(0.3)
    assert sum(each.is_alive() for each in both) == 1


def test_as_many_go_as_messages_wait(child, instance):
    """A later call counts anew: what waits no longer calls nobody."""
    instance.call_off(7)
    instance.call_off(2)  # before anybody has heard the first
    some = [child(name=name, waits=False) for name in "abc"]
    wait_until(lambda: sum(not each.is_alive() for each in some) == 2, timeout=20)
    instance.call_off(0)
    time.sleep(0.3)
    assert sum(each.is_alive() for each in some) == 1


def test_a_call_is_left_to_another_by_who_finds_a_doorbell(child, instance, broker, monkeypatch):
    """Else the message would wait for that doorbell's jobs beside an idle child."""
    held, withdraw = threading.Event(), OpenLine._withdraw
    busy = child(answer=lambda ids: held.wait(10), name="busy")
    bell = open_line.encode_doorbell("test.noop", [uuid4()])

    def too_late(line, **options):
        if line.name == "busy" and not busy.answered:
            broker.rpush(busy.mailbox, bell)
        return withdraw(line, **options)

    monkeypatch.setattr(OpenLine, "_withdraw", too_late)
    instance.call_off(1)
    wait_until(lambda: busy.answered, timeout=10)
    idle = child(name="idle", waits=False)
    idle.join(2)
    assert not idle.is_alive()
    held.set()
    wait_until(lambda: broker.exists(busy.place), timeout=10)
    assert len(busy.answered) == 1


def test_a_call_during_a_long_job_is_heard_after_it(child, instance, ring):
    """Nobody was on the line when the message came."""
    held = threading.Event()
    one = child(answer=lambda ids: held.wait(10))
    ring()
    wait_until(lambda: one.answered, every=0.002)
    instance.call_off(1)
    held.set()
    one.join(2)
    assert not one.is_alive()
    assert len(one.answered) == 1


def test_a_stop_is_heard_within_a_quarter_of_a_second(child, instance, broker):
    """Nobody tells the child; it looks."""
    one = child()
    began = time.monotonic()
    instance.stop()
    one.join(2)
    assert time.monotonic() - began < 0.6
    assert not broker.keys(f"{PREFIX}*")


def test_a_doorbell_that_comes_with_the_stop_goes_back(child, instance, broker, monkeypatch):
    """Nothing starts on a worker that stops, and nobody waits for a poll."""
    told = []
    monkeypatch.setattr(nudge, "nudge_jobs", lambda ids: told.append(ids))
    one = child()
    instance.stop()
    ids = [uuid4(), uuid4()]
    broker.rpush(one.mailbox, open_line.encode_doorbell("test.noop", ids))
    one.join(2)
    assert one.answered == []
    assert told == [ids]


def test_a_child_follows_what_its_worker_consumes(child, instance, broker):
    """Having left the line for it; a queue that came is offered for at the next stay."""
    one = child()
    instance.line_queues = ["default", "new"]
    one.join(2)
    assert not one.is_alive()
    again = child()
    assert broker.zscore(f"{PREFIX}free:new", again.line.name)
    assert not broker.exists(f"{PREFIX}free:payments")


def test_a_worker_without_queues_has_no_line(child, instance, broker):
    """Nor has one whose parent could not tell that a message waits."""
    instance.line_queues = []
    one = child(waits=False)
    one.join(1)
    assert not one.is_alive()
    assert not broker.keys("*")


def test_a_child_goes_after_a_long_wait(child, monkeypatch, broker):
    """Celery's parent may want it for something."""
    monkeypatch.setattr(child_side, "LINGER", 0.3)
    one = child()
    one.join(3)
    assert 0.2 < one.left_after < 1.5
    assert not broker.keys(f"{PREFIX}*")


def test_a_busy_child_goes_now_and_then(child, monkeypatch, broker, ring):
    """However fast doorbells come: its pool counts its tasks and looks at its size."""
    monkeypatch.setattr(child_side, "TURN", 0.4)
    one = child()
    deadline = time.monotonic() + 5
    while one.is_alive() and time.monotonic() < deadline:
        if broker.exists(one.place):
            ids = [uuid4()]
            open_line.ring(
                broker, [("default", open_line.encode_doorbell("test.noop", ids))], {"default": 0}
            )
        time.sleep(0.005)
    assert not one.is_alive()
    assert len(one.answered) > 3


def test_a_flushed_broker_is_offered_to_again(child, ring, broker):
    """Within a quarter of a second."""
    one = child()
    broker.flushall()
    wait_until(lambda: broker.exists(one.place), timeout=1, every=0.01)
    ids = ring()
    wait_until(lambda: one.answered == [ids], timeout=10)


def test_a_broker_that_forgot_its_scripts_is_told_again(child, ring, broker):
    """And a doorbell that lay in the mailbox by then is answered."""
    one = child()
    ids = ring()
    wait_until(lambda: one.answered == [ids], timeout=10)
    broker.script_flush()
    wait_until(lambda: broker.exists(one.place), timeout=10)
    broker.script_flush()
    broker.delete(one.place)
    lost = [uuid4()]
    broker.rpush(one.mailbox, open_line.encode_doorbell("test.noop", lost))
    wait_until(lambda: one.answered == [ids, lost], timeout=10)


def test_what_is_no_doorbell_is_dropped(child, broker):
    """The child goes back to its pool, and no error is a task's."""
    one = child()
    broker.rpush(one.mailbox, b"\xff\x00" * 100_000)
    one.join(2)
    assert (one.answered, one.error) == ([], None)
    assert not one.is_alive()


def test_a_foreign_value_at_its_mailbox_costs_the_line_for_a_while(child, broker):
    """Doorbells come as messages then."""
    one = child()
    broker.set(one.mailbox, "no list")
    one.join(3)
    assert (one.answered, one.error) == ([], None)
    again = child(waits=False)
    again.line._muted_until = one.line._muted_until
    again.join(1)
    assert not again.is_alive()


def test_a_broker_that_goes_away_costs_the_line_for_a_while(
    child, ring, broker, valkey_server, settings
):
    """It is met again after that."""
    configure(settings, NUDGE_MUTE_SECONDS=0.2)
    one = child()
    valkey_server.stop()
    one.join(5)
    assert not one.is_alive()
    assert one.error is None
    valkey_server.start()
    time.sleep(0.2)
    again = Child(one.line._instance, None)
    again.line = one.line
    again.start()
    wait_until(lambda: broker.exists(again.place), timeout=3)
    ids = ring()
    wait_until(lambda: again.answered == [ids], timeout=10)
    one.line._instance.stop()
    again.join(2)


def test_what_an_answer_raises_passes_through(child, ring, broker):
    """Whoever is to retire ends; its place is taken, so that nothing is left behind."""

    def fails(ids):
        raise SystemExit(0)

    one = child(answer=fails)
    ring()
    one.join(2)
    assert isinstance(one.error, SystemExit)
    assert not broker.exists(one.place, one.mailbox)


def test_many_files_do_not_keep_a_child_off_the_line(child, ring):
    """A descriptor may be larger than select() can count."""
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    try:
        one = child()
        ids = ring()
        wait_until(lambda: one.answered == [ids], timeout=10)
        assert one.line._connection._sock.fileno() > 1_024
    finally:
        for each in files:
            os.close(each)


def test_the_line_ends_with_its_setting(child, settings):
    """CELERIAC["OPEN_LINE"] = False."""
    one = child()
    configure(settings, OPEN_LINE=False)
    one.join(2)
    assert not one.is_alive()


def test_a_worker_says_what_it_consumes_and_calls_as_often_as_messages_wait(instance):
    """Names of any letters; more than the page holds are none."""
    names = ("größe", "a b", '"\\\x00', "🐫" * 50)
    instance.line_queues = names
    assert instance.line_queues == names
    instance.line_queues = [f"queue {number:060}" for number in range(1_000)]
    assert instance.line_queues == ()
    instance.line_queues = ["short"]
    assert instance.line_queues == ("short",)
    assert not instance.take_call()
    instance.call_off(1_000_000)
    instance.call_off(3)
    assert [instance.take_call() for _ in range(4)] == [True, True, True, False]
    pid = os.fork()
    if pid == 0:
        instance.call_off(1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert instance.take_call()
