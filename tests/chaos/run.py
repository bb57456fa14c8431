"""One fault after the other: load, fault, recovery, and what it cost."""

import time

from tests.chaos import evidence
from tests.chaos.evidence import RECOVERY, SPAN, examine
from tests.chaos.load import Load, wait_until_done

#: Seconds of load before a fault, and the least after it.
WARM, AFTER = 3, 6


def run_fault(environment, fault, *, rate, dice, tenant):
    """Throw one fault at the platform under load; return the finding."""
    with Load(tenant, rate, dice) as load:
        time.sleep(WARM)
        note = fault.act(environment, fault.seconds)
        ended, ended_at = time.monotonic(), now(environment)
        environment.heal()
        while time.monotonic() < ended + RECOVERY + 2 * SPAN:
            time.sleep(1)
            waited = time.monotonic() - ended
            if waited >= AFTER and has_recovered(environment, tenant, ended_at):
                break
    stopped_at = now(environment)
    wait_until_done(environment, tenant, ended + evidence.FINISH)
    return examine(environment, fault, load, ended_at, stopped_at, note)


def has_recovered(environment, tenant, ended_at):
    """Say whether the rate has come back already."""
    rows = environment.execute(
        "SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM finished_at)::float8"
        " FROM celeriac_jobs_job WHERE tenant = %s",
        tenant,
    ).fetchall()
    created, finished = [row[0] for row in rows], [row[1] for row in rows if row[1]]
    return evidence.recovery(created, finished, ended_at, now(environment))[1] is not None


def now(environment):
    """Return the database's time, in seconds since the epoch."""
    row = environment.execute("SELECT extract(epoch FROM statement_timestamp())::float8").fetchone()
    return row[0]
