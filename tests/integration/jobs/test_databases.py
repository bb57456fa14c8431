"""The ledger is where the caller's transactions are; anything else is refused by name."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from celeriac.console.doctor.database import check_others
from celeriac.jobs.databases import check_routers
from celeriac.settings import read_settings

HERE = "tests.integration.jobs.test_databases"
OURS = "celeriac.jobs.databases.LedgerRouter"


class Elsewhere:
    """Writes jobs to another database."""

    def db_for_write(self, model, **hints):
        """Send them there."""
        return "jobs" if model._meta.app_label == "celeriac_jobs" else None


class Replica:
    """Reads everything from a copy, as Django's manual shows it."""

    def db_for_read(self, model, **hints):
        """Send every read there."""
        return "replica"


class NoTables:
    """Makes the ledger's tables nowhere."""

    def allow_migrate(self, db, app_label, **hints):
        """Refuse them."""
        return False if app_label.startswith("celeriac_") else None


@pytest.mark.parametrize(
    ("router", "says"),
    [
        (Elsewhere, "sends celeriac_jobs to 'jobs': a job could not commit with"),
        (Replica, "django_celery_beat to 'replica': a job could not commit"),
        (NoTables, "keeps celeriac_breakers, celeriac_console"),
    ],
)
def test_a_router_that_sends_the_ledger_elsewhere_is_refused(router, says, settings):
    """By the other database's name; the ledger's own router, put first, keeps it."""
    assert check_routers() == []
    settings.DATABASE_ROUTERS = [f"{HERE}.{router.__name__}"]
    (error,) = check_routers()
    assert says in error.msg
    assert OURS in error.hint
    assert error.id == "celeriac_jobs.E030"
    settings.DATABASE_ROUTERS = [OURS, f"{HERE}.{router.__name__}"]
    assert check_routers() == []


def test_no_setting_names_another_database():
    """And whoever looks for one is told why."""
    with pytest.raises(
        ImproperlyConfigured, match=r"no setting 'DATABASE'\. The ledger is in DATA"
    ):
        read_settings({"DATABASE": "jobs"})


def test_the_doctor_says_what_another_databases_transactions_are_to_jobs(monkeypatch):
    """Nothing where there is none."""
    assert list(check_others()) == []
    monkeypatch.setitem(connections.settings, "legacy", {})
    (found,) = check_others()
    assert (found.part, found.level) == ("databases", "ok")
    assert found.says.startswith("legacy: no job commits with its transactions.")
