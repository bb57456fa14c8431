"""System checks of the ledger: what would be found out at the first death only."""

from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.admin import sites
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from django.test import override_settings

from celeriac.jobs import checks
from celeriac.settings import conf
from tests.support.conf import configure


@pytest.mark.parametrize(("beat", "lease"), [(10, 20), (5, 20), (0.1, 0.5)])
def test_a_heartbeat_of_half_the_lease_will_do(settings, beat, lease):
    """A beat may be late, or go astray once."""
    configure(settings, HEARTBEAT_SECONDS=beat, WORKER_LEASE_SECONDS=lease)
    assert checks.check_heartbeat() == []


@pytest.mark.parametrize(("beat", "lease"), [(11, 20), (20, 20), (30, 20)])
def test_a_heartbeat_near_the_lease_is_refused(settings, beat, lease):
    """Living workers would lose their jobs."""
    configure(settings, HEARTBEAT_SECONDS=beat, WORKER_LEASE_SECONDS=lease)
    assert [message.id for message in checks.check_heartbeat()] == ["celeriac_jobs.E001"]


def test_times_without_zones_are_refused(settings):
    """By name, before anything runs."""
    assert [m.id for m in run_checks() if m.id == "celeriac_jobs.E007"] == []
    settings.USE_TZ = False
    (found,) = [message for message in run_checks() if message.id == "celeriac_jobs.E007"]
    assert "USE_TZ" in found.msg


def test_a_hook_that_takes_the_job_and_its_error_will_do(declare):
    """As notifications.campaign_dead does."""
    declare(lambda: None, on_dead="test.mourn")
    assert checks.check_kinds() == []


def test_what_a_kind_names_must_be_there(declare):
    """A hook, a queue, a breaker."""
    declare(lambda: None, name="test.a", on_dead="test.nobody")
    declare(lambda: None, name="test.b", on_dead="test.noop")
    declare(lambda: None, name="test.c", queue="nowhere")
    declare(lambda: None, name="test.d", breaker="paymnts")
    found = {message.msg.split(":")[0]: message.id for message in checks.check_kinds()}
    assert found == {
        "test.a": "celeriac_jobs.E002",
        "test.b": "celeriac_jobs.E003",
        "test.c": "celeriac_jobs.E004",
        "test.d": "celeriac_jobs.E005",
    }


def test_a_hook_whose_arguments_have_other_types_is_refused(declare):
    """It would fail when the first job dies."""

    def hook(job_id: UUID, error: int) -> None:
        """Take an error's number."""

    declare(hook, name="test.hook")
    declare(lambda: None, name="test.a", on_dead="test.hook")
    assert [message.id for message in checks.check_kinds()] == ["celeriac_jobs.E003"]


@pytest.fixture
def kept_site():
    """Keep the admin's site: an app that gets ready anew replaces it by an empty one."""
    site, same = admin.site, sites.site
    yield
    admin.site, sites.site = site, same


@pytest.mark.usefixtures("kept_site")
@pytest.mark.parametrize(
    ("missing", "who", "extra"),
    [
        ("celeriac.core", "celeriac.breakers", ""),
        ("celeriac.breakers", "celeriac.jobs", ""),
        ("django.contrib.postgres", "celeriac.jobs", ""),
        ("rest_framework", "celeriac.http", "celeriac[http]"),
        ("django_celery_beat", "celeriac.schedules", "celeriac[schedules]"),
    ],
)
def test_a_missing_app_is_named_by_the_one_that_needs_it(missing, who, extra):
    """With what brings it, before Django trips over a model."""
    left = [app for app in django_settings.INSTALLED_APPS if app != missing]
    with (
        pytest.raises(ImproperlyConfigured, match=rf"^{who} needs {missing} in") as error,
        override_settings(INSTALLED_APPS=left),
    ):
        pass
    assert extra in str(error.value)


@pytest.mark.usefixtures("kept_site")
def test_a_platform_that_can_hold_no_ledger_is_refused(monkeypatch):
    """SQLite is, and a library without its own kinds is warned of."""
    assert checks.check_platform() == []
    lite = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    monkeypatch.setattr(checks, "connection", ConnectionHandler(lite)["default"])
    assert [message.id for message in checks.check_platform()] == ["celeriac_jobs.E009"]
    left = [app for app in django_settings.INSTALLED_APPS if app != "celeriac.builtin"]
    monkeypatch.undo()
    with override_settings(INSTALLED_APPS=left):
        assert [message.id for message in checks.check_platform()] == ["celeriac_jobs.W010"]


def test_a_project_without_a_broker_is_told_which_setting_it_lacks(settings):
    """The ledger and Celery would take different ones, and no job would start."""
    assert checks.check_broker() == []
    del settings.BROKER_URL, settings.CELERY_BROKER_URL
    local = {"NUDGE_URL", "BREAKERS_STORE_URL"}
    settings.CELERIAC = {k: v for k, v in settings.CELERIAC.items() if k not in local}
    (found,) = checks.check_broker()
    assert found.id == "celeriac_jobs.W011"
    assert "Set CELERY_BROKER_URL" in found.hint
    settings.CELERY_BROKER_URL = "sqs://"
    assert checks.check_broker() == []
    assert any(message.msg.startswith("CELERY_BROKER_URL:") for message in checks.check_addresses())


def test_rabbitmq_is_a_broker_and_what_it_lacks_is_said(settings):
    """Until a Redis is named beside it, for each of what needs one."""
    settings.BROKER_URL = ""
    settings.CELERY_BROKER_URL = "amqp://guest@localhost//"
    local = {"NUDGE_URL", "BREAKERS_STORE_URL"}
    rest = {k: v for k, v in settings.CELERIAC.items() if k not in local}
    settings.CELERIAC = rest
    assert (conf.NUDGE_URL, conf.BREAKERS_STORE_URL) == ("", "")
    assert checks.check_broker() == checks.check_addresses() == []
    (found,) = checks.check_rabbit()
    assert found.id == "celeriac_jobs.W020"
    assert "within a second" in found.msg
    assert "NUDGE_URL and BREAKERS_STORE_URL" in found.hint
    settings.CELERIAC = rest | {"NUDGE_URL": "redis://localhost"}
    (found,) = checks.check_rabbit()
    assert "BREAKERS_STORE_URL, or silence" in found.hint
    settings.CELERIAC = rest | dict.fromkeys(local, "redis://localhost")
    assert checks.check_rabbit() == []
    settings.CELERIAC = rest | {"NUDGE_URL": "amqp://localhost"}
    assert any(message.msg.startswith("NUDGE_URL:") for message in checks.check_addresses())


def test_an_option_that_no_queue_has_is_refused(settings):
    """By check, before migrate trips over it."""
    settings.CELERIAC = settings.CELERIAC | {"QUEUES": {"default": {"windw": 3.0}}}
    (found,) = checks.check_queues()
    assert found.id == "celeriac_jobs.E012"
    assert found.msg.endswith("there is no option 'windw'. Did you mean 'window'?")


@pytest.mark.parametrize("text", ["threads", "threads:0", "fibers:3", "threads:-1", 50, None, ""])
def test_slots_that_can_not_be_read_are_refused(settings, text):
    """It says what may stand there."""
    settings.CELERIAC = settings.CELERIAC | {"QUEUES": {"default": {"slots": text}}}
    (found,) = checks.check_queues()
    assert found.id == "celeriac_jobs.E013"
    assert 'write "async:200" or "threads:50", up to' in found.msg


@pytest.mark.django_db
def test_slots_for_which_the_server_has_too_few_connections_are_told(settings):
    """Where a database may be asked; a loop lends few, however wide it is."""
    queues = {"mail": {"slots": "threads:5000"}, "calls": {"slots": "async:5000"}, "default": {}}
    settings.CELERIAC = settings.CELERIAC | {"QUEUES": queues | {"odd": {"slots": "threads"}}}

    def told(**options):
        return [each for each in run_checks(**options) if each.id == "celeriac_jobs.W021"]

    (found,) = told(databases=["default"])
    assert "'mail']: slots='threads:5000' may take 5002 database connections" in found.msg
    assert found.msg.endswith("the server has 200.")
    assert not told()
    assert not checks.check_connections(databases=["other"])


def test_a_transactional_coroutine_on_an_async_queue_is_refused(settings, declare):
    """A function may be there, and so may the coroutine elsewhere."""

    async def pay():
        """Do nothing."""

    def book():
        """Do nothing."""

    queues = {"calls": {"slots": "async:200"}, "mail": {"slots": "threads:5"}}
    settings.CELERIAC = settings.CELERIAC | {"QUEUES": settings.CELERIAC["QUEUES"] | queues}
    declare(book, name="test.book", queue="calls", transactional=True)
    declare(pay, name="test.call", queue="calls")
    declare(pay, name="test.mail", queue="mail", transactional=True)
    assert not checks.check_kinds()
    declare(pay, name="test.pay", queue="calls", transactional=True)
    (found,) = checks.check_kinds()
    assert found.id == "celeriac_jobs.E014"
    assert found.msg == "test.pay: a transactional coroutine, on the async queue 'calls'."
