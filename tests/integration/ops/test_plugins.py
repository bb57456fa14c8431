"""A stranger's app adds itself to whatever people and machines see, by one object."""

import pytest
from django.urls import reverse
from prometheus_client.core import GaugeMetricFamily

from celeriac.builtin import cleanup
from celeriac.console import navigation
from celeriac.console.actions.groups import is_wanted_by
from celeriac.console.admin.audit import audited_targets
from celeriac.console.doctor.examine import run_checks
from celeriac.console.navigation import sidebar_sections
from celeriac.core import check_results, plugins
from celeriac.core.plugins import Attention, AttentionSentence, Plugin
from celeriac.core.retention import RetentionRule
from celeriac.monitoring import metrics
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def stranger(monkeypatch):
    """Plug an app in that the library has never heard of, for as long as the test."""
    monkeypatch.setattr(plugins, "_plugins", dict(plugins._plugins))
    plugins.plug_in(
        Plugin(
            name="stranger",
            sidebar={"Strange": (("Effects", "testapp.effect"), ("Nowhere", "gone.thing"))},
            viewed=frozenset({"testapp"}),
            administered=frozenset({"secrets"}),
            operated=frozenset({"testapp.shake"}),
            checks=(lambda: iter([check_results.warning("strange", "it shakes", "Hold it.")]),),
            attention=(
                Attention(
                    "celeriac_jobs.view_job", lambda: [AttentionSentence("It shakes.", "/x/")]
                ),
            ),
            rules=(RetentionRule("testapp.Effect", "at", "RETENTION_DAYS"),),
            kept={"testapp.Other": "it does not grow"},
            large_tables=frozenset({"testapp.Other"}),
            audited=("effect",),
            metrics=(lambda: [GaugeMetricFamily("stranger_shakes", "Shakes.", 7)],),
        )
    )


def test_its_lines_stand_in_the_sidebar_and_those_of_apps_that_are_not_there_do_not(stranger):
    """New sections stand before what plain Celery and administrators need."""
    titles = [title for title, _ in sidebar_sections()]
    assert titles.index("Strange") == len(titles) - 3
    assert dict(sidebar_sections())["Strange"][0] == ("Effects", "testapp.effect")
    assert navigation._is_there("testapp.effect")
    assert not navigation._is_there("gone.thing")


@pytest.mark.parametrize(
    ("group", "permission", "given"),
    [
        ("viewer", "testapp.view_effect", True),
        ("viewer", "testapp.shake", False),
        ("operator", "testapp.shake", True),
        ("operator", "testapp.delete_effect", False),
        ("admin", "testapp.delete_effect", True),
        ("admin", "secrets.view_key", True),
        ("operator", "secrets.view_key", False),
    ],
)
def test_its_permissions_belong_to_the_groups(stranger, group, permission, given):
    """As it says; of other apps nobody is given anything."""
    assert is_wanted_by(group, permission) is given
    assert not is_wanted_by(group, permission.replace("testapp", "gone").replace("secrets", "gone"))


def test_the_doctor_the_dashboard_and_the_metrics_ask_it(stranger, client):
    """For those who may see what it is about."""
    assert "it shakes" in [finding.says for finding in run_checks()]
    assert b"stranger_shakes 7.0" in metrics.metrics_text()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    said = client.get(reverse("console:dashboard-data")).json()["attention"]
    assert {"level": "warning", "text": "It shakes.", "url": "/x/"} in said
    client.force_login(UserFactory(is_staff=True))
    assert client.get(reverse("console:dashboard-data")).status_code in (302, 403)


def test_its_rows_are_cleaned_up_and_its_audit_can_be_filtered(stranger):
    """Its rule is one of the rules, its reasons are among the reasons."""
    assert "testapp.Effect" in [rule.model for rule in cleanup.retention_rules()]
    assert cleanup.kept_tables()["testapp.Other"] == "it does not grow"
    assert {"testapp.Effect", "testapp.Other"} <= set(cleanup.large_tables())
    assert "effect" in audited_targets()
