"""What the doors' tests share with the ledger's."""

from tests.integration.jobs.conftest import answer, declare, desk, make_job

__all__ = ["answer", "declare", "desk", "make_job"]
