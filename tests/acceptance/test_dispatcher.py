"""Real dispatchers, with real workers."""

from apps.jobs.api import enqueue
from apps.jobs.models import Job
from tests.support.processes import wait_until

FAST = {"JOBS_HEARTBEAT_SECONDS": "0.5", "JOBS_WORKER_LEASE_SECONDS": "3"}


def test_a_committed_job_runs(processes):
    """The whole way, once."""
    dispatcher = processes.dispatcher(env=FAST)
    dispatcher.wait_for_output("dispatcher ready")
    processes.worker(queues=["default"], concurrency=1, env=FAST)
    jobs = [enqueue("test.note", {"name": str(number)}) for number in range(100)]
    wait_until(
        lambda: Job.objects.filter(state="succeeded").count() == len(jobs),
        message=dispatcher.output,
    )
