"""Counting in memory: in the process, and in memory that survives it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from celeriac.core.counting.counters import BOUNDS, SPAN, ProcessCounters
from celeriac.core.counting.publish import TotalsPublisher
from celeriac.core.counting.shared_memory import Collector, SharedStore, read_counters
from tests.support.servers import ROOT


@pytest.fixture
def counts():
    """Return counters of nobody's process."""
    return ProcessCounters()


def test_what_was_taken_is_not_taken_again(counts):
    """Each count is told once."""
    counts.add(("a", "x"))
    counts.add(("a", "x"), 2)
    counts.add(("b",))
    assert counts.take() == {("a", "x"): [3], ("b",): [1]}
    counts.add(("b",))
    assert counts.take() == {("b",): [1]}
    assert counts.take() == {}


def test_a_histogram_holds_each_time_in_one_bucket_and_the_sum_in_microseconds(counts):
    """A time on a bucket's upper end belongs to it, as Prometheus has it."""
    counts.observe(("h",), [BOUNDS[0], BOUNDS[0] * 1.01, 10_000.0])
    (counters,) = counts.take().values()
    assert len(counters) == SPAN
    assert counters[:2] == [1, 1]
    assert counters[len(BOUNDS)] == 1
    assert counters[-1] == round((BOUNDS[0] * 2.01 + 10_000) * 1_000_000)


def test_threads_lose_no_count(counts):
    """The web's threads count side by side."""

    def count():
        for _ in range(2_000):
            counts.add(("n",))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.take() == {("n",): [8_000]}


def test_shared_cells_are_read_by_another_and_told_once(counts, tmp_path):
    """The collector says only what came since it last did."""
    counts.add(("a", "x"), 5)
    counts.move_to(SharedStore(tmp_path))
    (tmp_path / f"{os.getpid()}.slot").touch()
    collector = Collector(tmp_path)
    assert collector.collect() == [{("a", "x"): [5]}]
    counts.observe(("h", "k"), [0.2])
    counts.add(("a", "x"))
    (news,) = collector.collect()
    assert news[("a", "x")] == [1]
    assert sum(news[("h", "k")][:-1]) == 1
    assert collector.collect() == [{}]
    assert counts.take() == {}


def test_what_a_killed_process_counted_is_collected_and_its_file_removed(tmp_path):
    """SIGKILL loses nothing that was counted."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from celeriac.core.counting import counters\n"
        "from celeriac.core.counting.shared_memory import SharedStore\n"
        "counters.process.move_to(SharedStore(Path(sys.argv[1])))\n"
        "counters.add(('a',), 7)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert Collector(tmp_path).collect() == [{("a",): [7]}]
    assert list(tmp_path.iterdir()) == []


def test_a_full_file_counts_what_it_knows_and_says_what_it_does_not(counts, tmp_path, caplog):
    """Too many series cost the newest ones, never the process."""
    counts.move_to(SharedStore(tmp_path))
    for number in range(3_000):
        counts.add((f"{'s' * 40}{number}",))
    counts.add((f"{'s' * 40}0",))
    found = read_counters(next(tmp_path.glob("*.counts")))
    assert found[(f"{'s' * 40}0",)] == [2]
    assert len(found) < 3_000
    assert "too many series" in caplog.text


def test_a_file_that_is_cut_short_says_nothing(tmp_path):
    """It is being made just now."""
    path = tmp_path / "1.counts"
    path.write_bytes(b"\0" * 16)
    assert read_counters(path) == {}


def test_news_that_could_not_be_sent_are_kept_and_added_up(tmp_path, monkeypatch):
    """A database that is away delays the totals."""
    publisher = TotalsPublisher(tmp_path)
    monkeypatch.setattr(publisher, "gather", lambda: publisher._put_back({("a",): [1]}))
    monkeypatch.setattr(
        "celeriac.core.counting.publish.connection.ensure_connection", _refuse, raising=False
    )
    for _ in range(3):
        with pytest.raises(ConnectionError):
            publisher.publish()
    assert publisher.pending == {("a",): [3]}


def _refuse():
    raise ConnectionError
