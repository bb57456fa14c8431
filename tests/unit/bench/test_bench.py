import os
import subprocess
import sys
import time

import psutil
import pytest

from bench import __main__ as command, cpu_time, timestamps
from bench.plan import Plan
from bench.rows import BY_NAME, CHILDREN, USUAL
from tests.support.servers import ROOT


@pytest.fixture
def no_wishes(monkeypatch):
    """Keep this environment's own wishes out."""
    monkeypatch.delenv("ROUNDS", raising=False)
    monkeypatch.delenv("JOBS", raising=False)


@pytest.mark.usefixtures("no_wishes")
def test_the_contracts_rows_are_measured():
    """All six, unless told otherwise; a quick look leaves the history out."""
    six = "celery celery_solo celery_results celeriac_single celeriac celeriac_history"
    assert command.parse([]).rows == six.split()
    assert "celeriac_history" not in command.parse(["--quick"]).rows
    assert command.parse(["--rows", "celeriac, celery"]).rows == ["celery", "celeriac"]


@pytest.mark.usefixtures("no_wishes")
def test_a_quick_look_never_replaces_the_figures():
    """It is written elsewhere."""
    assert command.parse([]).output == command.LATEST
    assert command.parse(["--quick"]).output != command.LATEST


def test_rounds_and_jobs_come_from_the_environment(monkeypatch):
    """As `make bench ROUNDS=5 JOBS=100` hands them over; the command line goes first."""
    monkeypatch.setenv("ROUNDS", "5")
    monkeypatch.setenv("JOBS", "100")
    options = command.parse(["--jobs", "7"])
    assert (options.rounds, options.jobs) == (5, 7)


def test_an_unknown_row_is_refused(capsys):
    """With its name."""
    with pytest.raises(SystemExit):
        command.parse(["--rows", "celary"])
    assert "celary" in capsys.readouterr().err


def test_every_row_has_the_same_number_of_children():
    """In one worker, or in solo workers."""
    for row in BY_NAME.values():
        arguments = row.worker_arguments(prefetch=4)
        each = next(a for a in arguments if a.startswith("--concurrency=")).partition("=")[2]
        assert int(each) * row.workers == CHILDREN


def test_only_plain_rows_take_a_prefetch():
    """The ledger's workers have the one that they ship with."""
    assert "--prefetch-multiplier=16" in BY_NAME["celery_solo"].worker_arguments(16)
    assert not [a for a in BY_NAME["celeriac"].worker_arguments(16) if "prefetch" in a]


def test_rows_outside_the_contract_are_measured_when_named():
    """They cost time."""
    assert set(BY_NAME) - set(USUAL) == {"celery_results_reused"}


def test_a_plan_survives_its_way_into_the_stage():
    """As text on a command line."""
    plan = Plan("celery", backlog=1000, prefetch=4)
    assert Plan.load(plan.dump()) == plan
    assert plan.drain_only(16) == Plan(
        "celery", backlog=500, prefetch=16, enqueue_seconds=0, latency_jobs=0
    )


def test_marks_tell_who_ran_and_when(tmp_path, monkeypatch):
    """Written by handlers anywhere, read by the bench."""
    kept = timestamps.Timestamps(tmp_path / "marks", 3)
    monkeypatch.setenv(timestamps.VARIABLE, str(kept.path))
    monkeypatch.setattr(timestamps, "_words", None)
    first = kept.reserve(2)
    before = time.monotonic_ns()
    timestamps.touch(first[1])
    assert not kept.all_ran()
    timestamps.touch(first[0])
    assert kept.all_ran()
    assert before <= kept[1] <= kept[0] <= time.monotonic_ns()
    kept.reserve(1)
    assert not kept.all_ran()
    with pytest.raises(ValueError, match="no room for 1"):
        kept.reserve(1)


def test_processor_time_is_told_apart_by_role(monkeypatch):
    """Servers by the environment; differences per job with their sum."""
    monkeypatch.setenv(cpu_time.VARIABLE, cpu_time.named_servers({"postgres": os.getpid()}))
    assert cpu_time.of_servers()["postgres"] > 0
    assert cpu_time.of_worker(psutil.Process())[1] > 0
    before, after = {"parent": 1.0}, {"parent": 1.5, "children": 0.25}
    assert cpu_time.per_job(after, before, 1000) == {"parent": 500, "children": 250, "all": 750}
    assert cpu_time.total_seconds([{"parent": 1.0}, {"parent": 2.0}]) == {"parent": 3.0}


def test_the_ledgers_rows_start_in_a_house_without_faults():
    """What `manage.py check` refuses, a dispatcher does not start with."""
    env = {**os.environ, "BENCH_LEDGER": "1", "DJANGO_SETTINGS_MODULE": "bench.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
