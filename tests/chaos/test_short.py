"""`make chaos` in short, on this test process's servers: the harness works, promises hold."""

import random
from dataclasses import replace

import pytest

from tests.chaos import report
from tests.chaos.environment import Environment
from tests.chaos.evidence import Finding, overlaps, recovery
from tests.chaos.faults import FAULTS
from tests.chaos.run import run_fault

SHORT = "child-killed"


@pytest.fixture
def environment(
    transactional_db, process_env, postgres_server, valkey_server, database_url, tmp_path
):
    """Yield a platform on the test's servers."""
    environment = Environment(
        postgres=postgres_server,
        valkey=valkey_server,
        database_url=database_url,
        env=process_env,
        directory=tmp_path,
        logs=tmp_path / "logs",
        slots={"worker-2": "threads:8"},
    )
    try:
        environment.start_all()
        yield environment
    finally:
        environment.stop()


def test_a_fault_costs_time_and_nothing_else(environment):
    """Under a light load, with a worker of each sort; the long run throws all of them."""
    fault = replace(FAULTS[SHORT], seconds=2)
    found = run_fault(environment, fault, rate=20, dice=random.Random(1), tenant=SHORT)  # noqa: S311 repeats itself
    assert found.broken == []
    assert found.jobs > 20


def test_recovery_is_when_the_rate_has_come_back():
    """Two jobs a second are offered; after three seconds as many are finished.

    Looks are a quarter of a second apart: the first span that reaches 98 % begins at 2.75 s.
    """
    offered = [at / 2 for at in range(60)]
    finished = [at for at in offered if at >= 3]
    assert recovery(offered, finished, 0, 20) == (1.0, 2.75)
    assert recovery(offered, [], 0, 20) == (0.0, None)


def test_overlaps_of_one_lock_are_counted(tmp_path):
    """And those of different locks are none."""
    (tmp_path / "locks-1").write_text("a 1.0 2.0\nb 1.5 2.5\na 3.0 4.0\n")
    (tmp_path / "locks-2").write_text("a 3.5 5.0\ntorn")
    assert overlaps(tmp_path) == 1


def test_the_result_file_says_what_the_contract_says(tmp_path):
    """Of several rounds the worst counts; a fault without a recovery has null."""
    one = Finding("x", 10, 0, 0, 0, 0, 1, 2, 1, 0, 1.0, 2.5)
    two = Finding("x", 10, 0, 0, 0, 0, 0, 0, 0, 3, 0.5, None)
    result = report.result([one, two], seed=7)
    assert result == {
        "jobs": 20,
        "seed": 7,
        "lost": 0,
        "duplicate_effects": 0,
        "stale_accepted": 0,
        "lock_overlaps": 0,
        "charged_without_cause": 1,
        "stuck": 3,
        "faults": [{"name": "x", "jobs": 20, "recovery_ratio": 0.5, "recovered_in_s": None}],
    }
