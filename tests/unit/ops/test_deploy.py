"""The alert rules and the dashboard: what promtool and Grafana would refuse, and stale names."""

import json
import re

import pytest
import yaml

from celeriac.jobs import registry
from tests.integration.ops.monitoring_support import CONTRACT
from tests.support.promql import BadQuery, check
from tests.support.servers import ROOT

RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((ROOT / "deploy/grafana/celeriac.json").read_text())
RUNBOOKS = (ROOT / "docs/operations.md").read_text()
#: Not ours: Prometheus' own, and node_exporter's.
FOREIGN = {
    "up",
    "scrape_duration_seconds",
    "node_filesystem_avail_bytes",
    "node_filesystem_size_bytes",
    "node_timex_offset_seconds",
}
ALARMS = {
    "CeleriacBrokerDown": "broker-down",
    "CeleriacDatabaseSlow": "database-slow",
    "CeleriacBacklogGrows": "backlog-grows",
    "CeleriacCircuitOpen": "circuit-open",
    "CeleriacDeadLettersRise": "dead-letters-rise",
    "CeleriacWorkerLost": "worker-lost",
    "CeleriacBeatSilent": "beat-silent",
    "CeleriacDiskFull": "disk-full",
    "CeleriacClockSkew": "clock-skew",
    "CeleriacUnknownPayments": "unknown-payments",
}


def samples():
    """Return the names of samples that a scrape holds, with their labels."""
    found = {}
    for name, (kind, labels) in CONTRACT.items():
        found[name] = labels
        if kind == "histogram":
            found |= {f"{name}_bucket": labels | {"le"}}
            found |= {f"{name}_count": labels, f"{name}_sum": labels}
    return found


def judge(expression):
    """Fail on a query that is none, or names what no scrape holds."""
    ours = samples()
    for name, matchers in check(expression):
        assert name in ours.keys() | FOREIGN, f"{name} in {expression}"
        if name in ours:
            assert set(matchers) <= ours[name], f"{name}{matchers} in {expression}"
        if "kind" in matchers:
            assert any(re.fullmatch(matchers["kind"], known) for known in registry.kind_names())


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_whole_and_asks_for_what_is_there(rule):
    """Expression, duration, severity, sentences."""
    judge(rule["expr"])
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations", "keep_firing_for"}
    assert re.fullmatch(r"(\d+[smhd])+", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in ("page", "ticket")
    for name in ("summary", "description", "runbook"):
        text = rule["annotations"][name]
        assert text.count("{{") == text.count("}}")
        assert set(re.findall(r"\{\{\s*(\$\w+)", text)) <= {"$value", "$labels"}


def test_the_ten_alarms_each_have_a_runbook_that_names_page_and_verb():
    """At three in the morning nobody searches."""
    assert {rule["alert"] for rule in ALERTS} == set(ALARMS)
    for rule in ALERTS:
        anchor = rule["annotations"]["runbook"].removeprefix("docs/operations.md#")
        assert anchor == ALARMS[rule["alert"]]
        title = anchor.replace("-", " ").capitalize()
        section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", RUNBOOKS, re.DOTALL | re.MULTILINE)
        assert section, title
        for part in ("**Alert**", "**Page**", "**Verb**", "**Over when**"):
            assert part in section[1], f"{title}: {part}"
        assert rule["alert"] in section[1]


def test_the_dashboards_panels_ask_for_what_is_there():
    """Each panel has a title, a place of its own and queries that hold."""
    assert DASHBOARD["uid"] == "celeriac"
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["title"]
        for target in panel["targets"]:
            judge(target["expr"])


def test_the_dashboard_shows_every_metric_of_the_contract():
    """Nothing is counted for nobody."""
    text = json.dumps(DASHBOARD)
    assert [name for name in CONTRACT if name not in text] == []


def test_the_scrape_configuration_gives_the_token_from_a_file():
    """No secret stands in the repository."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["job_name"] == "celeriac"
    assert job["authorization"]["type"] == "Bearer"
    assert "credentials_file" in job["authorization"]


def test_the_metrics_page_of_the_docs_lists_the_contract():
    """Names, types and labels."""
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(celeriac_\w+)`((?:[^|]*)) \| (\w+) \|", text, re.MULTILINE)
    listed = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, labels, kind in rows}
    assert listed == CONTRACT


@pytest.mark.parametrize(
    "query",
    [
        "sum(rate(x[5m])",
        "rate(x)",
        "sum(x[5m])",
        "histogram_quantile(x, 0.5)",
        "rats(x[5m])",
        "x and 1",
        'x{a="b}',
        "x[5]",
        "sum by a (x)",
        "x ==",
        "x{a~'b'}",
        "",
    ],
)
def test_the_checker_refuses_what_prometheus_refuses(query):
    """Or it would prove nothing."""
    with pytest.raises(BadQuery):
        check(query)


def test_the_checker_reads_what_prometheus_reads():
    """Operators, groupings, subqueries, modifiers."""
    query = (
        'sum by (a, b) (rate(x{a="1",b=~"c|d"}[5m] offset 1h)) / on (a) group_left (b) '
        "max without (c) (y) > bool 2 * -z ^ 2 or max_over_time(w[1h:5m]) unless on () vector(1)"
    )
    assert [name for name, _ in check(query)] == ["x", "y", "z", "w"]
