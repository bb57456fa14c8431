"""What the doors' tests share with the ledger's."""

from tests.integration.jobs.conftest import answer, declare, make_job, worker_context

__all__ = ["answer", "declare", "make_job", "worker_context"]
