"""Pictures of stacks and of results."""

import json
import re

import pytest

from bench import flame, picture, recording
from bench.soak import _slope


def test_a_flame_pictures_bars_are_as_wide_as_their_samples():
    """Lines of one function are one bar, nested in its caller; what is thin is left out."""
    stacks = {
        "children;run (a/celeriac/run.py:10);claim (a/b/c/claim.py:1)": 60,
        "children;run (a/celeriac/run.py:12);settle (d.py:3)": 39,
        "children;run (a/celeriac/run.py:12);seldom (d.py:3)": 1,
    }
    root = flame.grown(stacks)
    (run,) = root.within["children"].within.items()
    assert run[0] == "run (a/celeriac/run.py)"
    assert run[1].samples == 100
    assert set(run[1].within) == {"claim (b/c/claim.py)", "settle (d.py)", "seldom (d.py)"}
    titles = re.findall("<title>(.*?)</title>", flame.picture("load", stacks | {"parent;x": 300}))
    assert "claim (b/c/claim.py): 15.0%" in titles
    assert not [title for title in titles if "seldom" in title]


def test_system_calls_are_read_by_role(tmp_path):
    """As strace's summary names them, with errors or without."""
    (tmp_path / "1").write_text(
        "% time     seconds  usecs/call     calls    errors syscall\n"
        "------ ----------- ----------- --------- --------- ----------------\n"
        " 83.33    0.000010           0        20         3 futex\n"
        " 16.67    0.000002           1         2           poll\n"
        "100.00    0.000012           0        22         3 total\n"
    )
    found = recording._calls([("parent", tmp_path / "1"), ("parent", tmp_path / "1")])
    assert found == {"parent": {"futex": 40, "poll": 4}}


def test_each_role_of_a_profile_asks_the_database_under_its_own_name():
    """So that statements are told apart by who sent them."""
    urls = recording.urls_by_role("postgres://boss:secret@127.0.0.1:5432/bench")
    assert urls["worker"] == "postgres://bench_worker:secret@127.0.0.1:5432/bench"
    assert urls["dispatcher"].startswith("postgres://bench_dispatcher:secret@")


def test_memory_that_grows_has_a_slope():
    """In megabytes an hour, over the later readings: a start is no leak."""
    assert _slope([(0, 10), (10, 50), (20, 50), (30, 50)]) == 0
    assert _slope([(0, 50), (1800, 50), (3600, 51), (5400, 52)]) == pytest.approx(2.0)


def test_the_picture_of_the_results_shows_each_row():
    """With its own figure, at the kept results and at shapes that they may lack."""
    results = json.loads(picture.RESULTS.read_text())
    steady = {"name": "celeriac_steady", "cpu_us_per_job": {"all": 1234.0, "postgres": 234.0}}
    results["rows"].append(steady | {"latency_ms_p99": 4.5})
    texts = re.findall("<text.*?>(.*?)</text>", picture.drawn(results))
    assert {"celery", "celeriac", "celeriac_steady", "1,234", "4.5"} <= set(texts)
