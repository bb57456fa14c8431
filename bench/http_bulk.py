"""What bulk over HTTP costs beside `enqueue_many`: `python -m bench.http_bulk DIRECTORY ROUNDS`.

The same jobs, in turns: through `enqueue_many` in this process, and in one POST to a
real web server on this machine, which authenticates, parses, validates and answers.
The result goes to DIRECTORY/http_bulk.json.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
import httpx

from bench.checkouts import ROOT
from bench.processes import GRACE, wait_until

#: Jobs of one call: as many as the API takes.
JOBS = 10_000
KIND = "bench.touch"
_LISTENS = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


def main(rounds: int, directory: Path) -> None:
    """Measure and write the result."""
    django.setup()
    (directory / "http_bulk.json").write_text(json.dumps(measure(rounds, directory)))


def measure(rounds: int, directory: Path) -> dict[str, Any]:
    """Return the medians, in jobs a second."""
    rates: dict[str, list[float]] = {"enqueue_many": [], "bulk": []}
    arguments = [{"number": number} for number in range(JOBS)]
    with web_server(directory) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {make_token()}"
        for turn in range(rounds + 1):  # the first warms both up
            rates["enqueue_many"].append(_rate(lambda: _enqueue_many(arguments)))
            rates["bulk"].append(_rate(lambda: _post(client, arguments)))
            if turn == 0:
                rates = {name: [] for name in rates}
    return {
        "jobs": JOBS,
        "enqueue_many_per_s": round(statistics.median(rates["enqueue_many"])),
        "bulk_per_s": round(statistics.median(rates["bulk"])),
    }


def make_token() -> str:
    """Return the token of an account that may enqueue the bench's kinds."""
    from celeriac.http.authentication import AccountToken
    from celeriac.http.models import Grant, ServiceAccount

    account, _ = ServiceAccount.objects.get_or_create(name="bench")
    Grant.objects.get_or_create(account=account, kinds="bench.*", verbs=["enqueue"])
    return str(AccountToken.of(account))


@contextmanager
def web_server(directory: Path) -> Iterator[str]:
    """Yield the address of a web server that lives as long as the block."""
    log = directory / "web.log"
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0"]
    command += ["--workers", "1", "--threads", "4", "--no-control-socket"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_until(lambda: _LISTENS.search(log.read_text()), what="the web server listens")
        found = _LISTENS.search(log.read_text())
        yield found[1] if found else ""
    finally:
        process.terminate()
        process.wait(GRACE)


def _rate(action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return JOBS / (time.perf_counter() - started)


def _enqueue_many(arguments: list[dict[str, int]]) -> None:
    from celeriac import enqueue_many

    enqueue_many(KIND, arguments)


def _post(client: httpx.Client, arguments: list[dict[str, int]]) -> None:
    body = {"jobs": [{"kind": KIND, "args": args} for args in arguments]}
    answer = client.post("/api/v1/jobs/bulk/", json=body)
    if answer.status_code != 201:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:500]}")


if __name__ == "__main__":
    main(int(sys.argv[2]), Path(sys.argv[1]))
