"""The open line's scripts, each on a real broker: a place is taken once, and nothing stays."""

import time
from uuid import uuid4

import pytest
from redis.exceptions import ResponseError

from celeriac.jobs import nudge, open_line
from celeriac.jobs.open_line import HAND_OVER, LEAVE, OFFER, PREFIX, FreshJob

BELL = open_line.encode_doorbell("test.noop", [uuid4()])


@pytest.fixture
def offer(broker):
    """Return a function that offers a child's place; it returns whether a doorbell came."""

    def one(child, *queues, say=True):
        return OFFER(args=[child, int(say), *(queues or ("default",))], client=broker)

    return one


@pytest.fixture
def leave(broker):
    """Return a function that withdraws a child's place."""

    def one(child, *queues, waits=False):
        return LEAVE(args=[child, int(waits), *(queues or ("default",))], client=broker)

    return one


@pytest.fixture
def hand(broker):
    """Return a function that hands jobs over; it returns how many went."""

    def some(*jobs, text="all", rest=""):
        return len(open_line.hand_over(broker, jobs, channel=nudge.CHANNEL, nudge=text, rest=rest))

    return some


@pytest.fixture
def mail(broker):
    """Return a function that empties a child's mailbox and returns the ids in it."""

    def box(child):
        found = []
        while bell := broker.lpop(f"{PREFIX}mail:{child}"):
            found.append(open_line.decode_doorbell(bell)[1])
        return found

    return box


def fresh(queue="default", circuit=""):
    """Return a job that may be handed over."""
    return FreshJob(uuid4(), "test.noop", queue, 0, time.time(), circuit)


def test_a_job_goes_to_the_newest_place_and_each_place_is_taken_once(offer, hand, mail):
    """Who waits for the shortest time is warmest; the third job finds nobody."""
    for child in ("old", "new"):
        assert offer(child) == 0
    first, second, third = fresh(), fresh(), fresh()
    assert hand(first, second, third) == 2
    assert (mail("new"), mail("old")) == ([[first.id]], [[second.id]])
    assert hand(third) == 0


def test_a_place_is_one_for_all_queues_of_its_worker(offer, hand, mail):
    """Taken for one queue it is no longer free for another."""
    offer("a", "default", "payments", "größe 1 🐫")
    job = fresh("größe 1 🐫")
    assert hand(job, fresh("payments"), fresh("default")) == 1
    assert mail("a") == [[job.id]]
    assert hand(fresh("else")) == 0


def test_dead_places_are_passed_over(broker, offer, hand, mail):
    """An offer is good for half a second: who does not renew it gets nothing."""
    for child in ("alive", "dead", "gone"):
        offer(child)
    broker.delete(f"{PREFIX}place:gone")
    assert 0 < broker.pttl(f"{PREFIX}place:dead") <= open_line.OFFER_MS
    broker.pexpire(f"{PREFIX}place:dead", 1)
    time.sleep(0.01)
    job = fresh()
    assert hand(job) == 1
    assert (mail("alive"), mail("dead"), mail("gone")) == ([[job.id]], [], [])


def test_a_search_passes_over_so_many_dead_places_and_no_more(broker, offer, hand):
    """A broker full of dead places must not stand still for a web request."""
    offer("alive")
    broker.zadd(f"{PREFIX}free:default", {f"dead {n}": 4e9 + n for n in range(500)})
    assert hand(fresh()) == 0
    assert broker.zcard(f"{PREFIX}free:default") > 300


@pytest.mark.parametrize("name", [open_line.held_queue("default"), open_line.held_circuit("bank")])
def test_what_is_held_is_left_to_the_dispatcher_until_released(broker, offer, hand, mail, name):
    """And for a few seconds only, should the dispatcher be gone."""
    offer("a")
    open_line.hold(broker, [name], [])
    assert hand(fresh(circuit="bank")) == 0
    open_line.hold(broker, [], [name])
    assert hand(fresh(circuit="bank")) == 1
    assert mail("a")
    offer("a")
    open_line.hold(broker, [name], [])
    broker.zadd(f"{PREFIX}held", {name: time.time() - 0.1})
    assert hand(fresh(circuit="bank")) == 1


def test_a_held_circuit_holds_no_other_job(broker, offer, hand):
    """Nor does a queue of the same name."""
    offer("a")
    open_line.hold(broker, [open_line.held_circuit("default"), open_line.held_queue("bank")], [])
    assert hand(fresh(circuit="other")) == 1


@pytest.mark.parametrize(
    ("places", "rest", "said"),
    [(2, "", []), (2, "rest", [b"rest"]), (1, "rest", [b"all"]), (0, "", [b"all"])],
)
def test_a_nudge_is_published_for_what_is_left(broker, offer, hand, places, rest, said):
    """All of it where not all were handed over, else what it says beside them."""
    for child in range(places):
        offer(f"child {child}")
    with broker.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(nudge.CHANNEL)
        channel.get_message(timeout=5)
        hand(fresh(), fresh(), rest=rest)
        broker.publish(nudge.CHANNEL, "end")
        heard = []
        while b"end" not in heard:
            if message := channel.get_message(timeout=5):
                heard.append(message["data"])
    assert heard == [*said, b"end"]


def test_a_dispatchers_doorbell_takes_a_place_or_is_left(broker, offer, mail):
    """Left is what must be sent as a message, while a slot is not on the line."""
    offer("a")
    bells = [("default", BELL), ("default", BELL), ("payments", BELL)]
    taken, back = open_line.ring(broker, bells, {"default": 2, "payments": 1})
    assert (taken, back) == ([True, False, False], [])
    assert len(mail("a")) == 1


def test_doorbells_wait_on_the_line_only_while_each_slot_is_there(broker, offer, leave, mail):
    """Who answers next takes them in their order; else they come back to be sent."""
    bells = [("default", open_line.encode_doorbell("k", [uuid4()])) for _ in range(4)]
    ids = [open_line.decode_doorbell(text)[1] for _, text in bells]
    for child in ("a", "b"):
        offer(child)
    taken, back = open_line.ring(broker, bells, {"default": 2})
    assert (taken, back) == ([True] * 4, [])
    assert (mail("b"), mail("a")) == ([ids[0]], [ids[1]])
    assert offer("a") == 1
    assert mail("a") == [ids[2]]
    leave("b")
    taken, back = open_line.ring(broker, [bells[0]], {"default": 2})
    assert taken == [False]
    assert back == [bells[3]]
    assert open_line.ring(broker, [], {"default": 2}) == ([], [])


def test_a_queue_without_a_worker_has_no_overflow(broker):
    """Zero slots are not 'all of them'."""
    assert open_line.ring(broker, [("default", BELL)], {"default": 0}) == ([False], [])
    assert not broker.keys("*")


def test_the_overflow_is_taken_in_the_order_of_a_workers_queues(broker, offer, mail):
    """As its messages are."""
    first, second = [open_line.encode_doorbell("k", [uuid4()]) for _ in range(2)]
    broker.rpush(f"{PREFIX}more:low", second)
    broker.rpush(f"{PREFIX}more:high", first)
    assert offer("a", "high", "low") == 1
    assert mail("a") == [open_line.decode_doorbell(first)[1]]


def test_an_offer_over_a_doorbell_frees_no_place(broker, offer, hand, mail):
    """A child that comes back while one lies in its mailbox has its work already."""
    offer("a")
    assert hand(fresh()) == 1
    assert offer("a") == 1
    assert hand(fresh()) == 0
    assert len(mail("a")) == 1


def test_who_leaves_gets_what_lies_in_its_mailbox_and_nothing_after(broker, offer, leave, hand):
    """Its place goes in the same step."""
    offer("a", "default", "payments")
    job = fresh()
    hand(job)
    assert open_line.decode_doorbell(leave("a", "default", "payments"))[1] == [job.id]
    assert leave("a", "default", "payments") is None
    assert hand(fresh(), fresh("payments")) == 0
    assert not broker.keys(f"{PREFIX}*")


def test_a_waiting_child_is_woken_by_nothing_or_by_what_came_first(broker, offer, leave, hand):
    """The withdrawal puts an empty doorbell into an empty mailbox, once."""
    mailbox = f"{PREFIX}mail:a"
    offer("a")
    leave("a", waits=True)
    leave("a", waits=True)
    assert broker.lrange(mailbox, 0, -1) == [b""]
    broker.delete(mailbox)
    offer("a")
    hand(fresh())
    leave("a", waits=True)
    assert broker.llen(mailbox) == 1
    assert broker.lpop(mailbox) != b""


def test_a_late_withdrawal_wakes_nobody(broker, offer, leave, hand, mail):
    """It came after the wait was over: the next offer or the end takes it away."""
    offer("a")
    leave("a", waits=True)
    assert offer("a") == 0
    assert hand(fresh()) == 1
    assert len(mail("a")) == 1
    leave("a", waits=True)
    assert leave("a") is None
    assert not broker.exists(f"{PREFIX}mail:a")


def test_each_key_ends_by_itself(broker, offer, leave, hand):
    """A worker that is gone, and a dispatcher, leave nothing behind."""
    offer("a", "default", "payments")
    hand(fresh())
    offer("b", "default")
    leave("b", "payments", waits=True)
    open_line.hold(broker, ["queue x"], [])
    open_line.ring(broker, [("default", BELL)] * 3, {"default": 1})
    kinds = {key.decode().removeprefix(PREFIX).partition(":")[0] for key in broker.keys("*")}
    assert kinds == {"free", "mail", "on", "more", "held"}
    assert all(0 < broker.ttl(key) <= 60 for key in broker.keys("*"))


def test_scripts_that_the_broker_forgot_are_sent_again(broker, offer, hand, leave):
    """A restart and SCRIPT FLUSH both forget them."""
    offer("a")
    broker.script_flush()
    assert hand(fresh()) == 1
    broker.script_flush()
    assert leave("a") is not None
    broker.script_flush()
    assert open_line.ring(broker, [("default", BELL)], {"default": 9})[0] == [False]


@pytest.mark.parametrize("name", ["free:default", "mail:a", "held"])
def test_a_foreign_value_at_a_key_is_an_error_and_no_loss(broker, offer, hand, name):
    """Whoever called goes on without the line."""
    offer("a")
    broker.delete(PREFIX + name)
    broker.set(PREFIX + name, b"\xff")
    with pytest.raises(ResponseError):
        hand(fresh())


def test_children_with_names_of_any_bytes_are_passed_over(broker, offer, hand, mail):
    """What somebody else entered is no place."""
    offer("a")
    broker.zadd(f"{PREFIX}free:default", {b"\xff\x00\r\n": 4e9, "": 4e9 + 1})
    assert hand(fresh()) == 1
    assert len(mail("a")) == 1


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"\xff", b"null", b"[]", b"{}", b'"x"', b'["k"]', b'[1, "a"]', b'["k", 5]'),
        *(b'["k", "no id"]', b"[" * 100_000, b'["k", null]', b'{"k": "x"}', b"1e999"),
        open_line.encode_doorbell("k", [uuid4()] * (open_line.MOST_IDS + 1)),
    ],
)
def test_what_is_no_doorbell_is_refused(text):
    """As one sort of error."""
    with pytest.raises(ValueError, match=r"."):
        open_line.decode_doorbell(text)


def test_scripts_are_what_their_digests_say(broker):
    """The server agrees."""
    for script in (OFFER, LEAVE, HAND_OVER, open_line.RING, open_line.HOLD):
        assert broker.script_load(script.script) == script.sha
