"""The flush that a host's test settings name: as Django's, and only of what a test has filled."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from celeriac import enqueue
from celeriac.jobs.enqueueing import queues
from celeriac.jobs.models import Job, Queue
from celeriac.testing import flushing
from celeriac.testing.management.commands.flush import Command
from tests.app.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)
#: What the end of a TransactionTestCase says.
USUAL = {"reset_sequences": False, "allow_cascade": False, "inhibit_post_migrate": False}


@pytest.fixture(autouse=True)
def _forgotten():
    """Let each test begin with Django's flush, and end with no id that it gave."""
    flushing.forget_database(connection)
    yield
    flushing.forget_database(connection)
    ContentType.objects.clear_cache()


def flush(**options):
    """Flush as a TransactionTestCase does; return the tables that were truncated."""
    with CaptureQueriesContext(connection) as queries:
        call_command(Command(), verbosity=0, interactive=False, **(USUAL | options))
    said = [each["sql"] for each in queries if each["sql"].startswith("TRUNCATE")]
    return {name for text in said for name in text.split('"')[1::2]}


def counts():
    """Return how many rows each table has."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        found = {}
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 from the models
            found[table] = cursor.fetchone()[0]
    return found


def fill():
    """Write rows of several apps."""
    User.objects.create(email="a@example.com")
    enqueue("test.note", {"name": "a"})
    Effect.objects.create(name="a")


def test_it_leaves_what_djangos_leaves_and_truncates_less():
    """The tables that were filled and what refers to them; the first rows keep their ids."""
    fill()
    assert len(flush()) > 40
    after, types = counts(), set(ContentType.objects.values_list("id", flat=True))
    assert after["django_content_type"] > 0
    fill()
    truncated = flush()
    assert {User._meta.db_table, Job._meta.db_table, Effect._meta.db_table} <= truncated
    assert truncated & {"django_content_type", "auth_permission", Queue._meta.db_table} == set()
    assert counts() == after
    assert set(ContentType.objects.values_list("id", flat=True)) == types
    assert flush() == set()


def test_what_changed_a_first_row_is_left_to_django():
    """Whether it was changed, deleted, or joined by another."""
    flush()
    wanted = counts()
    Permission.objects.update(name="other")
    assert len(flush()) > 40
    assert not Permission.objects.filter(name="other").exists()
    Permission.objects.first().delete()
    flush()
    assert counts() == wanted
    Queue.objects.create(name="of-a-test")
    flush()
    assert counts() == wanted


def test_another_catalog_is_left_to_django():
    """A table that was made, and one that is gone."""
    flush()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE of_a_test (id int)")
        try:
            assert len(flush()) > 40
        finally:
            cursor.execute("DROP TABLE of_a_test")
    assert len(flush()) > 40


@pytest.mark.parametrize("option", USUAL)
def test_what_asks_for_more_is_left_to_django(option):
    """And the flush after it: what is there then was not left by a usual one."""
    flush()
    assert len(flush(**{option: True})) > 40
    assert len(flush()) > 40
    assert flush() == set()


def test_queues_that_jobs_declared_are_made_again():
    """Their rows are gone with the flush, and nobody takes them for made."""
    flush()
    queues._made.add("of-a-test")
    flush()
    assert queues._made == set()
