"""What the dispatcher's tests share: a publisher that takes notes, workers on paper, a clock."""

from collections import Counter
from uuid import uuid4

from django.db import connection
from psycopg.types.json import Jsonb

from celeriac.core.clock import NOW
from celeriac.jobs.dispatching.dispatch import AdmissionControl
from celeriac.jobs.dispatching.sweep import Sweep
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Job
from celeriac.jobs.nudge_message import Nudge

KINDS = ("test.noop", "test.note", "test.locked", "test.guarded", "test.renamed", "test.sleep")
FAST = dict.fromkeys(KINDS, 0.001)


class Recorder:
    """A publisher that notes what it rings, or fails as told."""

    def __init__(self):
        """Note nothing yet."""
        self.doorbells = []
        self.failure = None
        self.line = None

    def ring(self, doorbells):
        """Take note."""
        if self.failure:
            raise self.failure
        self.doorbells += doorbells

    def keep_line(self, state):
        """Take note."""
        self.line = state


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self):
        """Begin at 1000."""
        self.now = 1000.0

    def __call__(self):
        """Return the time."""
        return self.now


class Harness:
    """A dispatcher on the test's database, with everything around it in the test's hand."""

    def __init__(self, **options):
        """Hold all queues."""
        self.clock = Clock()
        self.publisher = Recorder()
        queues.make_queue_rows()
        self.dispatcher = AdmissionControl(publisher=self.publisher, clock=self.clock, **options)
        self.dispatcher.leases.renew()

    def run_round(self, nudge=None, rounds=1, after=0.05):
        """Do rounds, `after` seconds apart; return the bells rung in them."""
        known = len(self.publisher.doorbells)
        for _ in range(rounds):
            self.clock.now += after
            self.dispatcher.leases.renew()
            self.dispatcher.read_workers()
            self.dispatcher.run_round(nudge or Nudge())
        return self.publisher.doorbells[known:]

    def rung_ids(self, *args, **options):
        """Do rounds and return the ids rung in them, in order."""
        return [job_id for doorbell in self.run_round(*args, **options) for job_id in doorbell.ids]

    def sweep(self):
        """Sweep everything behind the cursors."""
        sweep = Sweep(self.dispatcher.doorbells)
        while sweep.slice(self.dispatcher.cursors.values()):
            pass


def hire(*, queues=("default",), kinds=KINDS, slots=2, run_times=FAST, **columns):
    """Write the row of a worker that lives; return its id."""
    worker = uuid4()
    values = {
        "id": worker,
        "name": f"worker-{worker}",
        "host": "here",
        "pid": 1,
        "queues": list(queues),
        "kinds": list(kinds),
        "slots": slots,
        "claims": [],
        "run_times": Jsonb(run_times),
        **columns,
    }
    names = ", ".join(values)
    places = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO celeriac_jobs_worker ({names}, started_at, beat_at, previous_beat_at)"  # noqa: S608 our own names
            f" VALUES ({places}, {NOW}, {NOW}, {NOW})",
            list(values.values()),
        )
    return worker


def queued(kind="test.noop", many=1, **columns):
    """Write queued jobs, oldest first; return their ids."""
    columns.setdefault("queue", "default")
    jobs = [Job(kind=kind, **columns) for _ in range(many)]
    return [job.id for job in Job.objects.bulk_create(jobs)]


def fill(kind, many, queue="default", priority=0, age=60):
    """Write many queued jobs, the oldest `age` seconds old, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO celeriac_jobs_job (id, kind, queue, priority, args, run_at)"  # noqa: S608 constants
            f" SELECT new_id(), %s, %s, %s, '{{}}',"
            f" {NOW} - make_interval(secs => %s) + n * interval '1 microsecond'"
            " FROM generate_series(1, %s) n",
            [kind, queue, priority, age, many],
        )


def start(ids, worker, claim_id=None):
    """Claim the jobs as a worker would."""
    Job.objects.filter(id__in=ids).update(
        state="running", claim_id=claim_id or uuid4(), worker=worker, attempt=1
    )


def sizes(doorbells):
    """Return how many bells carry how many ids."""
    return Counter(len(doorbell.ids) for doorbell in doorbells)
