"""A made-up week of a busy shop, ending in a bad afternoon: what the pictures show.

Run as a program on an empty, migrated database.
"""

import random
import uuid
from datetime import UTC, datetime, timedelta

import django

from celeriac.core import tables

QUEUES = ("default", "payments", "notifications", "maintenance")
#: Finished jobs in all.
JOBS = 40_000
#: Seconds between the gateway's first failures and now.
BAD_FOR = 3000
WORKERS = 3
SAMPLES = f"""
INSERT INTO {tables.SAMPLE} (span, at, queue, waiting, parked, running, oldest)
SELECT span, at, queue, waiting::int, 0, 1, CASE WHEN late > 0 THEN late ELSE 2 * random() END
FROM (
    SELECT s.span, at, q.queue,
           q.size * (1 + sin(extract(epoch FROM at) / 9000 + q.phase)) + 4 * random()
               + greatest(0, extract(epoch FROM at - q.since) / q.pace) AS waiting,
           CASE WHEN q.queue = 'payments' THEN extract(epoch FROM at - q.since) END AS late
    FROM (VALUES (60, interval '20 minutes'), (300, interval '7 hours'), (3600, interval '8 days'))
             AS s(span, length)
    CROSS JOIN LATERAL generate_series(
        date_bin(make_interval(secs => s.span), now() - s.length,
                 timestamptz '2000-01-01 00:00+00'),
        now(), make_interval(secs => s.span)) AS at
    CROSS JOIN (VALUES ('default', 4, 0, now(), 9), ('maintenance', 0, 1, now(), 9),
                       ('notifications', 70, 2, now() - interval '25 minutes', 3),
                       ('payments', 12, 4, now() - interval '49 minutes', 9)
    ) AS q(queue, size, phase, since, pace)
) all_of_it
"""
#: Finished jobs: a day's rhythm, waits and runs with long tails, more failures at the end.
PAST = f"""
INSERT INTO {tables.JOB} (id, kind, queue, args, state, run_at, started_at, finished_at,
    created_at,
                      attempt, failures, worker, error, correlation_id, enqueued_by)
SELECT uuidv7(-age), kind, queue, args, CASE WHEN bad THEN 'dead' ELSE 'succeeded' END,
       now() - age - run - wait, now() - age - run, now() - age, now() - age - run - wait,
       CASE WHEN bad THEN 5 ELSE 1 END, CASE WHEN bad THEN 5 ELSE 0 END, %(worker)s,
       CASE WHEN bad THEN error ELSE '' END, substr(md5(n::text), 1, 16), 'shop'
FROM (
    SELECT n, age, k.kind, k.queue, k.error,
           jsonb_build_object(k.argument, gen_random_uuid()) AS args,
           make_interval(secs => k.wait * (0.4 - ln(1 - random()))
               * CASE WHEN k.queue = 'payments' AND age < interval '50 min' THEN 20 ELSE 1 END)
               AS wait,
           make_interval(secs => k.run * (0.5 - ln(1 - random()))) AS run,
           random() < k.faults * CASE WHEN age < interval '50 min' THEN 12 ELSE 1 END AS bad
    FROM (SELECT n, interval '7 days' * power(random(), 1.6) AS age
          FROM generate_series(1, %(jobs)s) n) s
    CROSS JOIN LATERAL (
        SELECT * FROM (VALUES
            (0, 'payments.capture', 'payments', 'payment_id', 0.4, 0.35, 0.004,
             'ProviderUnavailable: the gateway answered 503'),
            (1, 'payments.webhook', 'payments', 'event_id', 0.2, 0.02, 0.0005,
             'ProviderTimeout: no answer within 20 s'),
            (2, 'notifications.send', 'notifications', 'email_id', 1.5, 0.12, 0.002,
             'SMTPRecipientsRefused: 550 no such user'),
            (3, 'notifications.send', 'notifications', 'email_id', 1.5, 0.12, 0.0005,
             'SMTPServerDisconnected: connection closed'),
            (4, 'schedules.send', 'default', 'name', 0.8, 0.6, 0.001,
             'ValidationError: the feed has no column "sku"')
        ) AS v(number, kind, queue, argument, wait, run, faults, error)
        WHERE v.number = n %% 5
    ) k
) jobs
"""
#: What each dead job failed of, five times.
FAILED = f"""
INSERT INTO {tables.ATTEMPT} (id, job_id, number, outcome, worker, started_at, finished_at,
    error_class,
                          message, traceback)
SELECT uuidv7(j.finished_at - now()), j.id, number,
       CASE WHEN number = 5 THEN 'dead' ELSE 'failed' END, j.worker,
       j.finished_at - (5.2 - number) * interval '40 s',
       j.finished_at - (5 - number) * interval '40 s',
       split_part(j.error, ': ', 1), split_part(j.error, ': ', 2),
       'Traceback (most recent call last):' || chr(10) || '  ' || j.error
FROM {tables.JOB} j CROSS JOIN generate_series(1, 5) AS number
WHERE j.state = 'dead' ORDER BY j.finished_at, number
"""
WAITING = f"""
INSERT INTO {tables.JOB} (kind, queue, id, args, run_at, created_at, correlation_id,
    enqueued_by,
                      attempt, failures)
SELECT CASE n %% 3 WHEN 0 THEN 'payments.capture' ELSE 'notifications.send' END,
       CASE n %% 3 WHEN 0 THEN 'payments' ELSE 'notifications' END,
       uuidv7(), jsonb_build_object('payment_id', gen_random_uuid()),
       now() - random() * CASE n %% 3 WHEN 0 THEN 2900 ELSE 40 END * interval '1 s'
         + CASE WHEN n %% 20 = 1 THEN interval '2 hours' ELSE interval '0' END, now(),
       substr(md5(n::text), 1, 16), 'shop', (n %% 7 = 0)::int, (n %% 7 = 0)::int
FROM generate_series(1, 960) n
"""
RUNNING = f"""
INSERT INTO {tables.JOB} (kind, queue, id, args, state, run_at, started_at, attempt,
    claim_id, worker)
SELECT 'notifications.send', 'notifications', uuidv7(), '{{}}', 'running', now(), now(), 1,
       gen_random_uuid(), %(worker)s FROM generate_series(1, 5)
"""


def main() -> None:
    """Write all of it, and roll it up."""
    django.setup()
    from django.db import connection

    worker = people()
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.42)")
        for statement in (SAMPLES, PAST, FAILED, WAITING, RUNNING):
            cursor.execute(statement, {"worker": worker, "jobs": JOBS})
        cursor.execute("ANALYZE")
    trouble()
    roll_up()


def people() -> uuid.UUID:
    """Make the queues, the schedules and everybody who keeps them; return a worker's id."""
    from celeriac.jobs.enqueueing import queues
    from celeriac.jobs.models import Queue, Worker
    from celeriac.schedules.api import sync_schedules
    from celeriac.schedules.models import Beat, Policy

    rng = random.Random(7)  # noqa: S311 a story needs no secrets
    now = datetime.now(UTC)
    later = now + timedelta(hours=1)
    queues.make_queue_rows()
    Queue.objects.update(
        holder=uuid.uuid4(),
        holder_name="dispatcher@shop-1",
        lease_until=now + timedelta(minutes=20),
    )
    workers = [
        Worker.objects.create(
            name=f"ledger-{number}@shop-{number}",
            host=f"shop-{number}",
            pid=rng.randrange(400, 9000),
            queues=list(QUEUES),
            kinds=[],
            slots=4,
            claims=[uuid.uuid4() for _ in range(rng.randrange(3))],
            beat_at=later if number < WORKERS else now - timedelta(minutes=4),
        )
        for number in range(1, WORKERS + 1)
    ]
    sync_schedules()
    for policy in Policy.objects.all():
        at = now + timedelta(seconds=rng.randrange(20, 3000))
        Policy.objects.filter(pk=policy.pk).update(next_fire_at=at)
    Beat.objects.create(host="shop-1", pid=311, fired=10_412, beat_at=later)
    return workers[0].pk


def trouble() -> None:
    """Break the gateway, and have somebody pause a queue."""
    from celeriac.breakers.api import force_open
    from celeriac.jobs.operating.operate_queues import pause_queue

    until = datetime.now(UTC) + timedelta(minutes=25)
    force_open("payments", actor=None, reason="the gateway answers 503", until=until)
    pause_queue("maintenance", actor=None, reason="disk is being swapped", until=until)


def roll_up() -> None:
    """Make the charts' minutes."""
    from celeriac.monitoring.rollups import rolling

    rolling.roll_up_minutes()


if __name__ == "__main__":
    main()
