"""Runs as the ledger's tests make them by hand."""

from celeriac.jobs import registry
from celeriac.jobs.running.claim import ClaimedJob
from celeriac.jobs.running.run import Run
from celeriac.jobs.running.settle import settle_runs


def ended(job_id, claim_id, settlement, *, kind="test.noop", silent=False):
    """Return a run that has come to this, whoever claimed it."""
    job = ClaimedJob(job_id, kind, "{}", 1, 0, 0, 1, None, "", "", silent, 0.0, None)
    run = Run(job, registry.get_or_default(kind), claim_id)
    run.settlement = settlement
    return run


def settle_one(job_id, claim_id, settlement):
    """Write how a run ended; return what became of it."""
    run = ended(job_id, claim_id, settlement)
    settle_runs([run])
    return run
