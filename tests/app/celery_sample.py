"""Plain Celery code, as it stands in many projects: never run as such, see moved.py."""

from celery import chain, chord, group, shared_task
from celery.exceptions import Ignore, MaxRetriesExceededError, SoftTimeLimitExceeded
from celery.result import AsyncResult

calls = []


@shared_task
def add(x, y):
    """Return a sum."""
    return x + y


@shared_task(ignore_result=True, acks_late=True)
def log_visit(path, user=None):
    """Leave a line."""
    calls.append((path, user))


@shared_task(bind=True, max_retries=2, default_retry_delay=30)
def fetch(self, url):
    """Fail at the first run, and ask for another one."""
    calls.append((url, self.request.retries))
    if self.request.retries < 1:
        raise self.retry(exc=ConnectionError(url), countdown=90)
    return self.request.retries


@shared_task(bind=True, max_retries=1)
def give_up_nicely(self):
    """Ask for another run until none is left, and say so."""
    try:
        self.retry(countdown=0)
    except MaxRetriesExceededError:
        return f"gave up after {self.max_retries} retries"


@shared_task(autoretry_for=(ConnectionError,), retry_backoff=4, retry_jitter=False, max_retries=3)
def ping(host):
    """Fail in a way that is worth another run."""
    raise ConnectionError(host)


@shared_task
def fail():
    """Fail in a way that nobody asked to be retried."""
    raise ValueError("no luck")


@shared_task(bind=True, name="sample.whoami")
def whoami(self, word):
    """Return what the request says."""
    request = self.request
    return [self.name, request.id, request.retries, request.kwargs, self.max_retries]


@shared_task(soft_time_limit=0.2, time_limit=60)
def slow():
    """Run past the soft limit, and clean up."""
    try:
        import time

        time.sleep(30)
    except SoftTimeLimitExceeded:
        return "cleaned up"


@shared_task(bind=True)
def report(self):
    """Say how far it is."""
    self.update_state(state="PROGRESS", meta={"current": 3, "total": 10})
    return "done"


@shared_task
def ignored():
    """End without a result."""
    raise Ignore


@shared_task(expires=600)
def perishable():
    """Be of no use after ten minutes."""


@shared_task(bind=True)
def wait_for_another(self, other):
    """Wait for another task, which may need the slot that this one holds."""
    return AsyncResult(other).get(timeout=1)


def pipeline():
    """Pass a result from task to task."""
    return chain(add.s(1, 2), add.s(3))()


def fan_out():
    """Run many at once."""
    return group(add.si(number, number) for number in range(3))()


def fan_in():
    """Run many at once, and one when all have ended."""
    return chord([add, add])(log_visit)


def limited():
    """Declare a task with a rate limit."""

    @shared_task(rate_limit="10/m")
    def polite():
        """Be called rarely."""

    return polite
