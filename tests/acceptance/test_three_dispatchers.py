"""Three dispatchers share twenty queues while callers hold transactions open.

`DISPATCH_JOBS=` sets how many jobs there are.
"""

import base64
import json
import os
import threading
from collections import Counter
from contextlib import contextmanager
from itertools import pairwise

import pytest
import redis
from django.db import connection, transaction

from celeriac.core.clock import NOW
from celeriac.jobs.models import Job, Queue
from tests.integration.jobs.dispatching import fill, hire
from tests.support import event_log
from tests.support.processes import wait_until
from tests.support.threads import held_open, threads
from tests.support.twenty import QUEUES

JOBS = int(os.environ.get("DISPATCH_JOBS", "100000"))
#: Seconds: many times what it takes.
PATIENCE = 60 + JOBS / 200
#: Nobody rings a job again sooner than this.
AGAIN = 5.0
#: A queue with a backlog that is not rung for so long is starved.
STARVED = 10.0


@pytest.fixture
def diary_directory(run_directory, request):
    """A directory for the diaries of this test's dispatchers."""
    directory = run_directory / "diaries"
    directory.mkdir(exist_ok=True)
    return directory


def beat(worker):
    """Keep the worker on paper alive, as its heartbeat would."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE celeriac_jobs_worker SET previous_beat_at = beat_at, beat_at = {NOW} "  # noqa: S608 constants
            "WHERE id = %s",
            [worker],
        )


def answer(client, timeout=0.2):
    """Take doorbells from the broker and end their jobs at once, in one statement."""
    found = client.brpop(QUEUES, timeout=timeout)
    bodies = [found[1]] if found else []
    while bodies and len(bodies) < 50 and (more := client.rpop(found[0])):
        bodies.append(more)
    ids = [job_id for body in bodies for job_id in ids_of(body)]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE celeriac_jobs_job SET state = 'succeeded', attempt = 1, started_at = now(),"
            " finished_at = now() WHERE id = ANY(%s::uuid[]) AND state = 'queued'",
            [ids],
        )


def ids_of(message):
    """Return the job ids of a doorbell as it lies in the broker."""
    args, _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    return args[0]


@contextmanager
def working(database_url):
    """Let a worker on paper beat, and two threads answer doorbells, until the block ends."""
    done = threading.Event()
    worker = hire(queues=QUEUES, slots=8, run_times={"test.noop": 0.001})

    def beats():
        while not done.wait(1.0):
            beat(worker)

    def answers():
        with redis.Redis.from_url(os.environ["BROKER_URL"], socket_timeout=10) as client:
            while not done.is_set():
                answer(client)

    with threads(3) as start:
        futures = [start(beats), start(answers), start(answers)]
        try:
            yield
        finally:
            done.set()
            for future in futures:
                future.result(60)


def shares():
    """Return how many queues each dispatcher holds."""
    held = Queue.objects.filter(name__in=QUEUES, holder__isnull=False)
    return sorted(Counter(held.values_list("holder", flat=True)).values())


def look_around():
    """Read something, so that the transaction has a snapshot from now on."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    return Queue.objects.count()


def waits(rings):
    """Return the seconds each queue waited for its first doorbell, and from one to the next."""
    first = rings[0][0]
    by_queue = {queue: [first] for queue in QUEUES}
    known = set()
    for moment, queue, job_id in rings:
        if job_id not in known:
            known.add(job_id)
            by_queue[queue].append(moment)
    return [b - a for moments in by_queue.values() for a, b in pairwise(moments)]


def test_three_dispatchers_share_twenty_queues_and_starve_none(
    processes, database_url, diary_directory
):
    """Each job is rung once, or again after its time; no queue with a backlog stands still."""
    env = {"DJANGO_SETTINGS_MODULE": "tests.support.twenty", "RING_DIARY": str(diary_directory)}
    with working(database_url):
        for _ in range(3):
            processes.dispatcher(env=env).wait_for_output("dispatcher ready")
        wait_until(lambda: shares() == [6, 7, 7], timeout=60)
        with held_open(look_around), held_open(look_around):
            with transaction.atomic():
                for queue in QUEUES:
                    fill("test.noop", JOBS // len(QUEUES), queue=queue)
            wait_until(
                lambda: not Job.objects.filter(state="queued").exists(),
                timeout=PATIENCE,
                every=0.5,
            )
        assert shares() == [6, 7, 7]
    rings = event_log.read(diary_directory)
    moments = event_log.moments(rings)
    assert len(moments) == JOBS
    gaps = [b - a for times in moments.values() for a, b in pairwise(times)]
    assert not [gap for gap in gaps if gap < AGAIN]
    assert max(waits(rings)) < STARVED
