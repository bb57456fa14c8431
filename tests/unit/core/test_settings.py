"""CELERIAC: one object with every default; what is odd is refused by its key."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from celeriac.core.setting_defaults import LOCAL
from celeriac.settings import Settings, conf, from_environment, project_setting, read_settings


def test_nothing_needs_to_be_said(settings):
    """Each key has its default; the broker is the one of Celery's settings."""
    settings.CELERIAC = {}
    settings.BROKER_URL = ""
    settings.CELERY_BROKER_URL = "redis://broker.example:6379/3"
    assert set(conf.QUEUES) == {"default", "callbacks", "maintenance"}
    assert conf.NUDGE_URL == conf.BREAKERS_STORE_URL == "redis://broker.example:6379/3"
    assert conf.WORKER_LEASE_SECONDS == Settings.WORKER_LEASE_SECONDS == 20.0
    settings.CELERY_BROKER_URL = ""
    assert conf.NUDGE_URL == LOCAL
    settings.CELERY_BROKER_URL = "amqp://rabbit.example//"
    assert conf.NUDGE_URL == conf.BREAKERS_STORE_URL == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"QUEUE": {}}, r"no setting 'QUEUE'. Did you mean 'QUEUES'\?"),
        ({"zzz": 1}, "no setting 'zzz'"),
        ({7: 1}, "no setting 7"),
        ({"HEARTBEAT_SECONDS": "often"}, r"CELERIAC\['HEARTBEAT_SECONDS'\]: .* number"),
        ({"QUEUES": ["default"]}, r"CELERIAC\['QUEUES'\]"),
        ({"IDEMPOTENCY_DAY": 1}, r"Did you mean 'IDEMPOTENCY_DAYS'\?"),
        ({"IDEMPOTENCY_DAYS": -1}, r"IDEMPOTENCY_DAYS'\]: .* greater than or equal to 0"),
        ({"HEARTBEAT_SECONDS": 0}, r"HEARTBEAT_SECONDS'\]: .* greater than 0"),
        ({"NUDGE_TIMEOUT_SECONDS": 0}, r"NUDGE_TIMEOUT_SECONDS'\]: .* greater than 0"),
        ({"NUDGE_MUTE_SECONDS": float("inf")}, r"NUDGE_MUTE_SECONDS'\]: .* finite"),
        ({"METRICS_TIMEOUT_SECONDS": float("nan")}, r"METRICS_TIMEOUT_SECONDS'\]"),
        ({"CALLBACK_MAX_ATTEMPTS": 0}, r"CALLBACK_MAX_ATTEMPTS'\]: .* greater than 0"),
        ({"API_MAX_BULK_JOBS": 1.5}, r"API_MAX_BULK_JOBS'\]: .* integer"),
        ({"DOCTOR_DISK_SHARE": 15}, r"DOCTOR_DISK_SHARE'\]: .* less than or equal to 1"),
        (["QUEUES"], "CELERIAC is a dict"),
        (None, "CELERIAC is a dict"),
    ],
)
def test_what_is_odd_is_refused_by_its_key(given, said):
    """Before anything runs on it."""
    with pytest.raises(ImproperlyConfigured, match=said):
        read_settings(given)


def test_a_change_is_seen_and_forgotten_again(settings):
    """As tests of a project change it."""
    before = conf.RETENTION_DAYS
    settings.CELERIAC = settings.CELERIAC | {"RETENTION_DAYS": before + 1}
    assert before + 1 == conf.RETENTION_DAYS
    assert not hasattr(conf, "RETENTION")


def test_the_environment_gives_what_it_names_and_nothing_else(monkeypatch):
    """By the key's type; what is unset or blank leaves the default where it stands."""
    for name in ("A_NUMBER", "A_LIST", "A_FLAG"):
        monkeypatch.delenv(name, raising=False)
    variables = {
        "HEARTBEAT_SECONDS": "A_NUMBER",
        "CALLBACK_ALLOWED_HOSTS": "A_LIST",
        "METRICS_PUBLISH": "A_FLAG",
        "SHUTDOWN_GRACE_SECONDS": "A_NUMBER",  # may be None
    }
    assert from_environment(variables) == {}
    monkeypatch.setenv("A_NUMBER", "2.5")
    monkeypatch.setenv("A_LIST", "a.example, b.example")
    monkeypatch.setenv("A_FLAG", " ")
    assert from_environment(variables) == {
        "HEARTBEAT_SECONDS": 2.5,
        "SHUTDOWN_GRACE_SECONDS": 2.5,
        "CALLBACK_ALLOWED_HOSTS": ["a.example", "b.example"],
    }
    monkeypatch.setenv("A_FLAG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="A_FLAG"):
        from_environment(variables)


def test_a_projects_own_setting_is_found_where_the_library_has_none(settings):
    """Rules of retention and throttles name either."""
    settings.SHOP_DAYS = 3
    assert project_setting("SHOP_DAYS") == 3
    assert project_setting("RETENTION_DAYS") == conf.RETENTION_DAYS


def test_a_setting_is_set_in_celeriac_alone():
    """What was set past it would stay when a test is over."""
    with pytest.raises(AttributeError, match="set RETENTION_DAYS there"):
        conf.RETENTION_DAYS = 3
