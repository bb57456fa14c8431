"""A real web server for tests: gunicorn as the Procfile runs it, on a port of its own."""

import re
import sys

import httpx

from tests.support.processes import Process, wait_until

_LISTENS = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


class WebServer:
    """A running web server."""

    def __init__(self, *, env, directory, forks, workers=2, threads=4):
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0"]
        command += ["--workers", workers, "--threads", threads, "--no-control-socket"]
        directory.mkdir(parents=True, exist_ok=True)
        self.process = Process("web", command, env=env, directory=directory, forks=forks)
        self.process.wait_for_output("Listening at:", timeout=200)
        self.url = _LISTENS.search(self.process.output)[1]
        wait_until(self._answers, timeout=200, message="the web server answers")

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/api/v1/", timeout=120).status_code == 404
        except httpx.TransportError:
            return False

    def client(self, token=None, **options):
        """Return an HTTP client that is allowed to wait."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options.setdefault("timeout", 120)
        return httpx.Client(base_url=f"{self.url}/api/v1/", headers=headers, **options)

    def stop(self):
        """Stop it."""
        self.process.stop()
        self.process.kill_group()
