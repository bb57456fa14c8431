"""A small client for Python services: `Celeriac(url, client_id, client_secret)`. Needs httpx."""

import json
import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

Json = dict[str, Any]
ENDED = {"succeeded", "dead", "cancelled"}


class Refused(Exception):
    """The API said no; `problem` is its application/problem+json."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem['status']} {problem['title']}: {problem['detail']}")
        self.problem = problem


class Celeriac:
    """Jobs over HTTP: gets its tokens by itself, and repeats what may be repeated."""

    def __init__(self, url: str, client_id: str, client_secret: str, *, tries: int = 5) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=60)
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self._tries = tries
        self._token, self._good_until = "", 0.0

    def enqueue(self, kind: str, args: Json, *, key: str = "", **members: object) -> Json:
        """Write a job and return it; the same key and call again return the same job."""
        body = {"kind": kind, "args": args, **members}
        return self._send(
            "POST", "jobs/", json=body, headers={"Idempotency-Key": key or uuid4().hex}
        )

    def enqueue_many(self, jobs: Sequence[Json], *, key: str = "") -> list[Json]:
        """Write up to 10,000 jobs, all or none, and return their ids and states."""
        headers = {"Idempotency-Key": key or uuid4().hex}
        answer = self._send("POST", "jobs/bulk/", json={"jobs": list(jobs)}, headers=headers)
        made: list[Json] = answer["jobs"]
        return made

    def get(self, job_id: str) -> Json:
        """Return a job."""
        return self._send("GET", f"jobs/{job_id}/")

    def cancel(self, job_id: str, *, reason: str = "") -> Json:
        """Cancel a job and return it."""
        return self._send("POST", f"jobs/{job_id}/cancel/", json={"reason": reason})

    def wait(self, job_id: str, *, timeout: float = 60.0) -> Json:
        """Return a job once it has ended; TimeoutError after `timeout` seconds."""
        deadline, pause = time.monotonic() + timeout, 0.1
        while (job := self.get(job_id))["state"] not in ENDED:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Job {job_id} is still {job['state']}.")
            time.sleep(pause)
            pause = min(2.0, pause * 1.5)
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.close()

    def _send(
        self, method: str, path: str, *, json: Json | None = None, headers: Json | None = None
    ) -> Json:
        """Send, and again after Retry-After or a lost answer: the key makes that harmless."""
        for left in range(self._tries - 1, -1, -1):
            try:
                shown = {**(headers or {}), "Authorization": f"Bearer {self._bearer()}"}
                answer = self._http.request(method, path, json=json, headers=shown)
            except httpx.TransportError:
                if not left:
                    raise
                time.sleep(1)
                continue
            if "Retry-After" not in answer.headers or not left:
                return _read(answer)
            time.sleep(float(answer.headers["Retry-After"]))
        raise AssertionError("tries is at least 1")

    def _bearer(self) -> str:
        if time.monotonic() > self._good_until:
            answer = _read(self._http.post("token/", json=self._credentials))
            self._token = answer["access"]
            self._good_until = time.monotonic() + answer["expires_in"] / 2
        return self._token


def _read(answer: httpx.Response) -> Json:
    content: Json = answer.json()
    if answer.is_success:
        return content
    raise Refused(content)


if __name__ == "__main__":
    names = ("CELERIAC_URL", "CLIENT_ID", "CLIENT_SECRET")
    # KIND is one of yours and ARGS its arguments as JSON: GET kinds/ lists what there is.
    kind, args = os.environ.get("KIND", "maintenance.prune"), os.environ.get("ARGS", "{}")
    with Celeriac(*(os.environ[name] for name in names)) as celeriac:
        made = celeriac.enqueue(kind, json.loads(args), key=os.environ.get("KEY", ""))
        ended = celeriac.wait(made["id"])
        print(ended["id"], ended["state"])
