import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench import __main__ as command, checkouts, cpu_time, engine, options, timestamps
from bench.journal import Journal
from bench.plan import Plan
from bench.rows import BY_NAME, CHILDREN, NOT_YET, PEERS, USUAL, row_named
from tests.support.servers import ROOT


@pytest.fixture
def no_wishes(monkeypatch):
    """Keep this environment's own wishes out."""
    monkeypatch.delenv("ROUNDS", raising=False)
    monkeypatch.delenv("JOBS", raising=False)


@pytest.mark.usefixtures("no_wishes")
def test_the_contracts_rows_are_measured():
    """All that can be, unless told otherwise; a quick look leaves the history out."""
    names = """celery celery_solo celery_results celeriac_single celeriac celeriac_history
        celery_steady celeriac_steady celery_realistic celeriac_realistic celery_gevent
        celery_threads celeriac_prefork_wait celeriac_threads celeriac_async"""
    assert options.parse([]).rows == [name for name in names.split() if name not in NOT_YET]
    assert "celeriac_history" not in options.parse(["--quick"]).rows
    assert options.parse(["--rows", "celeriac, celery"]).rows == ["celery", "celeriac"]


@pytest.mark.usefixtures("no_wishes")
def test_a_table_has_the_rows_that_belong_together():
    """And steady ones at the rates that are asked for; nothing is measured beside them."""
    steady = options.parse(["--table", "steady", "--rates", "20,400"])
    assert steady.rows == [
        *("celery_steady_20", "celeriac_steady_20"),
        *("celery_steady_400", "celeriac_steady_400"),
    ]
    assert steady.beside == []
    assert options.parse([]).beside == list(options.BESIDE)
    rows = [row_named(name) for name in steady.rows]
    assert [row.rate for row in rows] == [20, 20, 400, 400]
    assert {row.baseline for row in rows} == {"celery_steady_20", "celery_steady_400"}
    assert row_named("celery_gevent_200").width == 200


def test_an_older_commit_runs_this_bench_in_its_own_environment(tmp_path):
    """Found by its path; its rows of the ledger stand beside ours."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    older = checkouts.Checkout("older", tmp_path)
    assert older.engine is engine.OLDER
    assert checkouts.OURS.engine is engine.TODAY
    env = older.environment(tmp_path)
    first, second = (Path(each) for each in env["PYTHONPATH"].split(os.pathsep))
    assert (first / "bench" / "stage.py").is_file()
    assert second == tmp_path
    rows = [BY_NAME["celery"], BY_NAME["celeriac"]]
    named = [each.name for each in command.subjects_of(rows, [older])]
    assert named == ["celery", "celeriac", "celeriac@older"]
    with pytest.raises(ValueError, match="make setup"):
        checkouts.checkout_at(str(tmp_path / "nowhere"))


def test_a_run_that_was_stopped_goes_on(tmp_path):
    """What was measured is kept; without being asked to, a run begins anew."""
    path = tmp_path / "run.jsonl"
    assert Journal(path, resume=False).measured("1 celery", lambda: {"rate": 5}) == {"rate": 5}
    again = Journal(path, resume=True)
    assert again.measured("1 celery", lambda: {"rate": 6}) == {"rate": 5}
    assert again.measured("2 celery", lambda: {"rate": 6}) == {"rate": 6}
    assert Journal(path, resume=False).measured("1 celery", lambda: {"rate": 7}) == {"rate": 7}


@pytest.mark.usefixtures("no_wishes")
def test_a_quick_look_never_replaces_the_figures():
    """It is written elsewhere."""
    assert options.parse([]).output == options.LATEST
    assert options.parse(["--quick"]).output != options.LATEST


def test_rounds_and_jobs_come_from_the_environment(monkeypatch):
    """As `make bench ROUNDS=5 JOBS=100` hands them over; the command line goes first."""
    monkeypatch.setenv("ROUNDS", "5")
    monkeypatch.setenv("JOBS", "100")
    given = options.parse(["--jobs", "7"])
    assert (given.rounds, given.jobs) == (5, 7)


def test_an_unknown_row_is_refused(capsys):
    """With its name."""
    with pytest.raises(SystemExit):
        options.parse(["--rows", "celary"])
    assert "celary" in capsys.readouterr().err


def test_every_row_has_the_same_number_of_children():
    """In one worker, or in solo workers; jobs that wait have as many places as their name says."""
    for row in BY_NAME.values():
        if row.side in ("none", "peer") or row.has_slots:
            continue
        arguments = row.worker_command(prefetch=4)
        each = next(a for a in arguments if a.startswith("--concurrency=")).partition("=")[2]
        assert int(each) * row.workers == row.width
        assert row.width == (CHILDREN if row.pool in ("prefork", "solo") else 50)


def test_a_worker_of_many_jobs_fits_its_queue():
    """Its command is the library's, and the queue's option says how many."""
    row = BY_NAME["celeriac_async"]
    assert row.worker_command(4)[:4] == ["manage.py", "celeriac", "worker", "bench_async"]
    assert row.environment == {"BENCH_SLOTS": "async:200"}


def test_a_peers_row_finds_its_packages_and_starts_its_own_worker():
    """They lie in a directory of their own, which comes first on the path."""
    row = BY_NAME["pgqueuer_steady"]
    assert row.peer == "pgqueuer"
    assert row.environment["PYTHONPATH"].startswith(str(PEERS))
    assert row.worker_command(4) == ["-m", "bench.peers.pgqueuer_peer"]
    assert row.workers == CHILDREN


def test_only_plain_rows_take_a_prefetch():
    """The ledger's workers have the one that they ship with."""
    assert "--prefetch-multiplier=16" in BY_NAME["celery_solo"].worker_command(16)
    assert not [a for a in BY_NAME["celeriac"].worker_command(16) if "prefetch" in a]


def test_rows_outside_the_contract_are_measured_when_named():
    """They cost time."""
    assert {"celery_results_reused", "neighbour_celery", "celeriac_remote"} <= set(BY_NAME)
    assert not {"celery_results_reused", "neighbour_celery", "celeriac_remote"} & set(USUAL)


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
    before, after = {cpu_time.PUBLISHER: 1.0}, {cpu_time.PUBLISHER: 2.0}
    assert cpu_time.per_job(after, before, 1)["all"] == 0
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


def test_the_pool_of_each_row_is_installed():
    """One of them comes in the bench's own group alone."""
    assert importlib.util.find_spec("gevent")
