"""A secret argument is shown nowhere: not on a page, a command, a log line, or in the ledger."""

import io
import logging
from contextlib import suppress
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.urls import reverse

from celeriac.breakers import registry as breakers
from celeriac.breakers.models import Breaker, Transition
from celeriac.breakers.testing import wait_until_written
from celeriac.console.job_output import redacted_job
from celeriac.core.context import ContextFilter
from celeriac.jobs.backoff import Backoff
from celeriac.jobs.enqueueing.enqueue import enqueue_job as enqueue
from celeriac.jobs.models import Attempt, Job
from celeriac.jobs.outcomes import Snooze
from celeriac.jobs.redaction import MASK
from celeriac.jobs.running import execute

pytestmark = pytest.mark.django_db

SECRET = "hunter2-hunter2"
logger = logging.getLogger("tests.secrets")


def leaky(password: str, how: str) -> dict[str, str]:
    """Say the secret in every way a handler can."""
    logger.warning("signing in with %s", password)
    if how == "raise":
        raise ValueError(f"bad password {password!r}")
    if how == "snooze":
        raise Snooze(60, f"{password} is throttled")
    return {"echo": f"ok, {password}", "password": password}


@pytest.fixture
def run(declare):
    """Return a function that runs a job with a secret and returns it as it stands."""
    declare(leaky, "test.leaky", redact=("password",), retry=Backoff(max_attempts=1))

    def run(how):
        job = enqueue("test.leaky", {"password": SECRET, "how": how})
        execute.answer_doorbell(
            [job.id], context=execute.WorkerContext(uuid4(), execute.capabilities())
        )
        return Job.objects.get(pk=job.pk)

    return run


@pytest.fixture
def lines():
    """Yield the log as it is written, through the filter of our settings."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(ContextFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    yield stream
    root.removeHandler(handler)


@pytest.mark.parametrize("how", ["raise", "snooze", "return"])
def test_no_page_and_no_command_shows_it(run, staff, how, capsys):
    """Lists, the job, its runs, the fragment; table and JSON."""
    job = run(how)
    pages = [
        reverse("admin:celeriac_jobs_job_changelist"),
        reverse("admin:celeriac_jobs_job_change", args=[job.pk]),
        reverse("admin:celeriac_jobs_job_fragment", args=[job.pk]),
        reverse("admin:celeriac_jobs_attempt_changelist"),
        reverse("admin:ops_dead_letters"),
        reverse("admin:celeriac_console_bulkaction_apply", args=["retry"]),
        *(
            reverse("admin:celeriac_jobs_attempt_change", args=[row.pk])
            for row in Attempt.objects.all()
        ),
    ]
    for page in pages:
        answer = staff.get(page)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode(), page
    for words in (["show", str(job.pk)], ["list"], ["list", "--state", job.state]):
        call_command("jobs", *words)
        call_command("jobs", *words, "--json")
    out = capsys.readouterr().out
    assert SECRET not in out
    assert MASK in staff.get(pages[1]).content.decode()
    assert SECRET not in str(redacted_job(job))
    assert redacted_job(job)["args"] == {"password": MASK, "how": how}


def test_errors_are_masked_where_they_are_written(run):
    """So that whoever reads the ledger, a hook or Celery, finds none."""
    job = run("raise")
    attempt = Attempt.objects.get()
    assert job.error == f"ValueError: bad password '{MASK}'"
    assert SECRET not in attempt.message + attempt.traceback
    assert "raise ValueError" in attempt.traceback
    assert SECRET not in run("snooze").wait_reason


def charge(card: str) -> None:
    """Call a provider that repeats what it was sent."""
    for _ in range(20):
        with suppress(ConnectionError), breakers.get_breaker("payments").calling():
            raise ConnectionError(f"503 for {card}")


@pytest.mark.django_db(transaction=True)  # what breakers write is committed
def test_a_circuit_remembers_no_secret_of_the_call_that_opened_it(declare, circuits):
    """Its page, its history and the dashboard are for more people than the job is."""
    declare(charge, "test.charge", redact=("card",))
    job = enqueue("test.charge", {"card": SECRET})
    execute.answer_doorbell(
        [job.id], context=execute.WorkerContext(uuid4(), execute.capabilities())
    )
    wait_until_written()  # and must be there before the tables are emptied
    row = Breaker.objects.get(name="payments")
    assert row.last_error == f"ConnectionError: 503 for {MASK}"
    assert SECRET not in str(Transition.objects.values_list("last_error", flat=True))


def test_log_lines_of_its_handler_are_masked(run, lines):
    """The handler's own, and ours; those of other jobs are left alone."""
    run("raise")
    logger.warning("outside: %s", SECRET)
    text = lines.getvalue()
    assert f"signing in with {MASK}" in text
    assert "test.leaky failed" in text
    assert text.count(SECRET) == 1


def test_what_was_written_before_it_was_declared_secret_is_masked_as_well(run, staff):
    """In each list that shows an error or a message, not on the job's own page alone."""
    job = run("raise")
    Job.objects.filter(pk=job.pk).update(error=f"ValueError: {SECRET}")
    Attempt.objects.update(message=f"sent {SECRET}", traceback=SECRET)
    for name, words in (
        ("admin:celeriac_jobs_job_changelist", []),
        ("admin:celeriac_jobs_attempt_changelist", []),
        ("admin:ops_dead_letters", []),
        ("admin:celeriac_console_bulkaction_apply", ["retry"]),
    ):
        shown = staff.get(reverse(name, args=words)).content.decode()
        assert SECRET not in shown, name
        assert MASK in shown, name


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("job", "args__password__startswith"),
        ("job", "result__password__contains"),
        ("job", "error__contains"),
        ("attempt", "message__contains"),
        ("attempt", "traceback__regex"),
    ],
)
def test_nobody_can_guess_it_through_the_address_of_a_list(run, staff, model, lookup):
    """Rows that come or stay away would tell it letter by letter, to a verb's preview too."""
    run("raise")
    asked = {lookup: SECRET[:3]}
    assert staff.get(reverse(f"admin:celeriac_jobs_{model}_changelist"), asked).status_code == 400
    if model == "job":
        preview = reverse("admin:celeriac_console_bulkaction_apply", args=["retry"])
        assert staff.get(preview, asked).status_code == 302
