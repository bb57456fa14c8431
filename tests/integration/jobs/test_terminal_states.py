"""A terminal state is a row of one table: who waits, reads, keeps or shows derives from it."""

import importlib.util
import sys
from unittest import mock

import pytest
from django.db import connection

from celeriac.django_tasks.origin import TaskResultStatus
from celeriac.jobs import states
from celeriac.jobs.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

STATE = '    CANCELLED = "cancelled"\n'
ROW = '    Ending(State.CANCELLED, "REVOKED", tone="idle", label="warning"),\n'
NEW = 'Ending(State.ABANDONED, "FAILURE", tone="bad", label="danger"),\n'


def executed(name, text=None, **instead):
    """Return a module made anew, of other text where given, that nobody else sees.

    What it imports under the names in `instead` it finds there.
    """
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(sys.modules, {name: module, **instead}):
        code = text or spec.loader.get_source(name)
        exec(compile(code, spec.origin, "exec"), module.__dict__)  # noqa: S102 the library's own text
    return module


@pytest.fixture
def anew():
    """Return a function that makes a module with a copy of the states that has one row more."""
    source = importlib.util.find_spec(states.__name__).loader.get_source(states.__name__)
    assert source.count(STATE) == source.count(ROW) == 1
    source = source.replace(STATE, f'{STATE}    ABANDONED = "abandoned"\n')
    copy = executed(states.__name__, source.replace(ROW, f"{ROW}    {NEW}"))
    return lambda name: executed(name, **{states.__name__: copy})


@pytest.fixture
def abandoned():
    """Make a job that ended in that state, which the database would refuse as yet."""
    job = JobFactory(state="dead", attempt=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE celeriac_jobs_job DROP CONSTRAINT celeriac_job_state_known,"
            " DROP CONSTRAINT celeriac_job_finished_at_exactly_when_terminal"
        )
    Job.objects.filter(pk=job.pk).update(state="abandoned", error="nobody wants it")
    job.refresh_from_db()
    return job


def test_whoever_waits_for_a_job_that_ended_so_is_told(anew, abandoned):
    """A get() that did not know the state would wait for ever: the ledger's and Celery's."""
    handle = anew("celeriac.jobs.handle")
    with pytest.raises(handle.JobFailed, match="nobody wants it"):
        handle.JobHandle(abandoned.id).get(timeout=0.5)
    results = anew("celeriac.celery.results")
    assert results._STATES["abandoned"] == "FAILURE"
    assert anew("celeriac.celery.result_rows")._STATES["abandoned"] == "FAILURE"
    assert anew("celeriac.django_tasks.results")._STATUS["abandoned"] is TaskResultStatus.FAILED


def test_it_is_shown_listed_and_counted(anew):
    """By the page's colours, the API's filter and answers, and the metrics."""
    assert anew("celeriac.console.admin.jobs.job_page").TONES["abandoned"] == "bad"
    bodies = anew("celeriac.http.bodies")
    assert bodies.JobQuery(state="abandoned").state == "abandoned"
    assert "abandoned" in str(bodies.JobQuery.model_json_schema())
    assert anew("celeriac.jobs.metrics")._OVERTAKEN["abandoned"] == "abandoned"


def test_it_is_pruned_and_not_taken_for_open(anew):
    """A kind that keeps nothing keeps it no longer, since its row does not say so."""
    prune = anew("celeriac.jobs.operating.prune")
    kept_nothing = mock.Mock(retention=0)
    with mock.patch.object(prune.registry, "get_kind", return_value=kept_nothing):
        assert prune._rules("any")[0] == (["abandoned", "cancelled", "succeeded"], 0.0)
    assert prune._rules("test.noop")[0][0] == ["abandoned", "cancelled", "dead", "succeeded"]


def test_its_page_says_how_it_ended(anew, abandoned):
    """In words of its own where nobody wrote any."""
    facts = mock.Mock(job=abandoned)
    facts.redactor.text = str
    said = anew("celeriac.console.explaining.ended").ended_reason(facts)
    assert (said.code, said.sentence) == ("abandoned", "ended abandoned: nobody wants it")


def test_what_the_database_holds_are_the_states_of_the_table():
    """Its constraints are made of the table; a new state needs a migration."""
    conditions = {each.name: each.condition for each in Job._meta.constraints}
    assert ("state__in", list(states.State)) in conditions["celeriac_job_state_known"].children
    finished = conditions["celeriac_job_finished_at_exactly_when_terminal"].children[0]
    assert ("state__in", sorted(states.TERMINAL)) in finished.children
    assert set(states.UNFINISHED) == set(states.State) - states.TERMINAL
