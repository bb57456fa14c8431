"""Doorbells on a real broker."""

import json
import os
from base64 import b64decode
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Producer

from celeriac.celery.dispatcher_step import DispatcherStep
from celeriac.celery.publisher import CeleryPublisher
from celeriac.celery.wires import BatchUnsupported
from celeriac.jobs.dispatching.pending_doorbells import Doorbell, RingFailed


def app(url=None, **options):
    """Return an app on the test's broker."""
    made = Celery("other", broker=url or os.environ["BROKER_URL"], set_as_current=False)
    made.conf.broker_transport_options = {"ack_emulation": False, **options}
    return made


@pytest.fixture
def publisher(broker):
    """Yield a publisher for the project's own app."""
    made = CeleryPublisher()
    yield made
    made.close()


def messages(broker, queue):
    """Return the queue's messages, the oldest first, as headers and arguments."""
    found = [json.loads(text) for text in reversed(broker.lrange(queue, 0, -1))]
    return [(each["headers"], json.loads(b64decode(each["body"]))[0]) for each in found]


def test_a_doorbell_is_a_task_of_its_kind_with_a_list_of_ids(publisher, broker):
    """One id names the message too, so that Flower and results find the job."""
    ids = [uuid4() for _ in range(3)]
    publisher.ring(
        [
            Doorbell("test.noop", "payments", tuple(ids)),
            Doorbell("test.note", "payments", (ids[0],)),
            Doorbell("test.noop", "default", (ids[1],)),
        ]
    )
    (many, many_args), (one, one_args) = messages(broker, "payments")
    assert (many["task"], many_args) == ("test.noop", [[str(job_id) for job_id in ids]])
    assert (one["task"], one_args, one["id"]) == ("test.note", [[str(ids[0])]], str(ids[0]))
    assert one["ignore_result"]
    assert {each["celeriac"] for each, _ in messages(broker, "payments")} == {"doorbell"}
    assert len(messages(broker, "default")) == 1


def test_a_thousand_doorbells_keep_their_order(publisher, broker):
    """Over several writes."""
    ids = [uuid4() for _ in range(1200)]
    publisher.ring([Doorbell("test.noop", "default", (job_id,)) for job_id in ids])
    assert [args[0][0] for _, args in messages(broker, "default")] == [str(one) for one in ids]


def test_a_broker_that_is_away_has_certainly_taken_nothing():
    """The dispatcher reads everything again."""
    publisher = CeleryPublisher(app("redis://127.0.0.1:1/0"))
    with pytest.raises(RingFailed) as failure:
        publisher.ring([Doorbell("test.noop", "default", (uuid4(),))])
    assert not failure.value.uncertain


def test_a_publisher_recovers_from_a_connection_that_broke(publisher, broker):
    """The next ring makes another."""
    doorbell = Doorbell("test.noop", "default", (uuid4(),))
    publisher.ring([doorbell])
    broker.client_kill_filter(_type="normal", skipme=True)
    publisher.ring([doorbell])
    assert len(messages(broker, "default")) == 2


def test_a_broker_that_refuses_in_the_middle_leaves_it_uncertain(publisher, broker):
    """Some may have arrived."""
    broker.set("default", "not a list")
    with pytest.raises(RingFailed) as failure:
        publisher.ring([Doorbell("test.noop", "default", (uuid4(),))])
    assert failure.value.uncertain


def test_a_transport_that_can_not_pipeline_is_refused_with_the_reason():
    """It would ring one by one, silently."""
    with pytest.raises(BatchUnsupported, match=r"\(memory\) can't carry doorbells"):
        CeleryPublisher(app("memory://")).check()
    publisher = CeleryPublisher(app(retry_on_timeout=True))
    if not hasattr(Producer, "batch"):  # kombu before 5.7 sends one by one in any case
        publisher.check()
        return
    with pytest.raises(BatchUnsupported, match="retry_on_timeout"):
        publisher.check()


class OneByOne(CeleryPublisher):
    """A publisher whose broker can't pipeline."""

    def __init__(self):
        super().__init__(app("memory://"))


def test_a_worker_that_can_not_ring_is_no_dispatcher(settings):
    """It ends at its start, and says why; one that was not asked to be one has no thread."""
    settings.CELERIAC = {**settings.CELERIAC, "PUBLISHER": f"{__name__}.OneByOne"}
    assert not DispatcherStep(None).enabled
    step = DispatcherStep(None, with_dispatcher=True)
    with pytest.raises(SystemExit, match=r"can't be a dispatcher too: .* use Redis or Valkey"):
        step.start(None)
    step.stop(None)  # as Celery does
