"""A row of either side runs once, small, on servers of its own."""

import json
import os
import subprocess
import sys

from tests.support.servers import ROOT

ROWS = "celeriac_steady_queues_50,celery_threads_20"


def test_each_shape_of_row_tells_its_figures(tmp_path):
    """A steady load over three queues, and a backlog of jobs that wait."""
    output = tmp_path / "figures.json"
    env = {**os.environ, "ROUNDS": "1", "JOBS": "50", "CELERIAC_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "bench", "--quick", "--prefetch=4", "--seconds=1"]
    done = subprocess.run(
        [*command, f"--rows={ROWS}", f"--output={output}"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(output.read_text())["rows"]}
    assert set(rows) == set(ROWS.split(","))
    for row in rows.values():
        assert row["cpu_us_per_job"]["all"] > 0
        assert row["pss_mb"]["children"] > row["uss_mb"]["children"] > 1
    steady = rows["celeriac_steady_queues_50"]
    assert len(steady["each_round"][0]["by_kind"]) == 3
    assert 0 < steady["latency_ms_p50"] <= steady["latency_ms_p99"]
    assert steady["cpu_us_per_job"].keys() >= {"dispatcher", "postgres", "valkey", "publisher"}
    assert steady["connections"]["children"] >= 1
    assert rows["celery_threads_20"]["drain_per_s"] > 7  # two children would wait 300 ms for each
