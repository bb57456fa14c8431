"""The sink's control API, under /_control/: JSON, for demos, tests and chaos."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from sandbox.kit.down import Outage
from sandbox.kit.http import Request, Response
from sandbox.kit.options import check_choice
from sandbox.mailsink.faults import FaultDesk
from sandbox.mailsink.store import MessageStore

DOWN_MODES = ("reset", "unavailable")


class ControlApi:
    """Answers requests under /_control/."""

    def __init__(self, store: MessageStore, faults: FaultDesk, outage: Outage) -> None:
        self._store, self._faults, self._outage = store, faults, outage
        self._verbs: dict[str, Callable[[Request], Any]] = {
            "GET /health": lambda request: {"ok": True},
            "GET /faults": lambda request: asdict(faults.settings),
            "PATCH /faults": lambda request: asdict(faults.change(request.json())),
            "GET /down": lambda request: outage.report(),
            "POST /down": self._go_down,
            "DELETE /down": lambda request: outage.end(),
            "GET /messages": self._messages,
            "GET /stats": lambda request: {**store.report(), "down": outage.report()},
            "POST /reset": lambda request: self._reset(),
        }

    def answer(self, request: Request) -> Response:
        """Answer one request: 404 for an unknown verb, 400 for a body that makes no sense."""
        verb = self._verbs.get(f"{request.method} {request.path.removeprefix('/_control')}")
        if verb is None:
            known = ", ".join(self._verbs)
            return Response.of_json({"error": f"The control API knows: {known}."}, 404)
        try:
            return Response.of_json(verb(request))
        except (ValueError, TypeError, KeyError) as error:
            return Response.of_json({"error": str(error)}, 400)

    def _go_down(self, request: Request) -> dict[str, Any]:
        wanted = {"seconds": 3600.0, "mode": "reset", **request.json()}
        check_choice("mode", wanted["mode"], DOWN_MODES)
        self._outage.begin(seconds=float(wanted["seconds"]), mode=wanted["mode"])
        return self._outage.report()

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        after = int(dict(parse_qsl(request.query)).get("after", 0))
        return list(self._store.messages(after))

    def _reset(self) -> None:
        self._store.clear()
        self._faults.reset()
        self._outage.clear()
