import json
from io import StringIO

from rich.console import Console

from bench import report

MACHINE = {"commit": {"enqueue": "sync", "claim": "async", "settle": "sync", "server": {}}}


def measured(rate, **more):
    """Return what one row measured in one round."""
    return {"drain_per_s": rate, "commands": ["python -m celery worker"], **more}


def rows_of(*rounds):
    """Return the summary by row name."""
    return {row["name"]: row for row in report.summary(rounds)}


def test_a_figure_is_the_median_over_the_rounds():
    """One noisy round changes nothing."""
    rounds = [{"celery": measured(rate, rss_mb=90)} for rate in (1000, 1, 1100)]
    assert rows_of(*rounds)["celery"]["drain_per_s"] == 1000


def test_the_ratio_is_taken_within_each_round():
    """A machine that is slow for a whole round is slow for both."""
    rounds = [
        {"celery": measured(celery), "celeriac": measured(celeriac)}
        for celery, celeriac in ((1000, 12_000), (100, 1_300), (500, 7_000))
    ]
    found = rows_of(*rounds)
    assert found["celeriac"]["drain_ratio"] == 13
    assert found["celery"]["drain_ratio"] == 1


def test_without_the_baseline_there_is_no_ratio():
    """A run of a few rows claims nothing about the others."""
    assert "drain_ratio" not in rows_of({"celeriac": measured(9)})["celeriac"]


def test_what_a_row_did_not_measure_is_absent_rather_than_zero():
    """The contract's figures are there when they were measured, every round's too."""
    row = rows_of({"celery": measured(9)}, {"celery": measured(11, latency_ms_p50=2.0)})["celery"]
    assert "rss_mb" not in row
    assert row["latency_ms_p50"] == 2.0
    assert [each["drain_per_s"] for each in row["each_round"]] == [9, 11]


def test_processor_time_is_summed_up_by_role():
    """Medians too."""
    rounds = [{"celery": measured(9, cpu_us_per_job={"all": us})} for us in (5, 700, 6)]
    assert rows_of(*rounds)["celery"]["cpu_us_per_job"] == {"all": 6}


def test_a_row_is_set_against_its_own_baseline_and_an_older_commit():
    """Within each round, by role, with what is smaller below one."""
    spent = {"all": 1000.0, "postgres": 400.0}
    mine = {"all": 600.0, "postgres": 100.0, "dispatcher": 3.0}
    found = rows_of(
        {
            "celery_steady": {"cpu_us_per_job": {"all": 500.0}, "latency_ms_p99": 4.0},
            "celeriac_steady": {"cpu_us_per_job": mine, "latency_ms_p99": 2.0},
            "celeriac_steady@old": {"cpu_us_per_job": spent, "latency_ms_p99": 8.0},
        }
    )
    assert found["celeriac_steady"]["cpu_ratio"] == 1.2
    assert found["celeriac_steady"]["against_old"] == {
        "latency_ms_p99": 0.25,
        "cpu_all": 0.6,
        "cpu_postgres": 0.25,
    }
    assert "against_old" not in found["celeriac_steady@old"]


def test_the_document_has_the_contracts_form(tmp_path):
    """Machine, rounds, rows; written whole."""
    content = report.document(MACHINE, [{"celery": measured(9)}], {"quick": False})
    report.write(tmp_path / "results" / "latest.json", content)
    read = json.loads((tmp_path / "results" / "latest.json").read_text())
    assert read["rounds"] == 1
    assert read["machine"] == MACHINE
    assert [row["name"] for row in read["rows"]] == ["celery"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_table_shows_rows_flags_and_commits():
    """What a reader needs to believe the figures."""
    out = StringIO()
    rounds = [{"celery": measured(1000, rss_mb=90), "celeriac": measured(13_000)}]
    report.show(report.document(MACHINE, rounds, {"prefetch": 4}), Console(file=out, width=120))
    assert "13,000" in out.getvalue()
    assert "13.00" in out.getvalue()
    assert "python -m celery worker" in out.getvalue()
    assert "claim async" in out.getvalue()


def test_what_schedules_cost_is_shown():
    """Starts at both sizes, and the loop's share of a core."""
    out = StringIO()
    figures = {
        "schedules": 10_000,
        "starts": [
            {"schedules": 1_000, "first_s": 3.8, "again_s": 3.4},
            {"schedules": 10_000, "first_s": 6.4, "again_s": 3.3},
        ],
        "ticks_per_minute": 100.0,
        "late_s_p50": 0.012,
        "cores": 0.0043,
        "postgres_cores": 0.021,
    }
    content = report.document(MACHINE, [{"celery": measured(9)}], {"schedules": figures})
    report.show(content, Console(file=out, width=120))
    assert "10,000 schedules, 100 ticks a minute 12 ms" in out.getvalue()
    assert "0.4% of a core" in out.getvalue()
    assert "6.4 s (3.3 again) over 10,000" in out.getvalue()
