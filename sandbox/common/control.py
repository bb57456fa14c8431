"""What the control APIs of all stand-ins have in common, the serving side and the client."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from sandbox.common.client import ControlClient
from sandbox.common.down import Outage
from sandbox.common.http import Request, Response
from sandbox.common.options import check_choice

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "/_control"
DOWN_MODES = ("reset", "unavailable")
AN_HOUR = 3600.0

type Verb = Callable[[Request], Any]


class FaultController(Protocol):
    """Where fault settings are kept and changed."""

    @property
    def settings(self) -> "DataclassInstance":
        """The settings in force."""

    def change(self, changes: Mapping[str, Any]) -> "DataclassInstance":
        """Change some settings and return them all; raises ValueError."""


class ControlApi:
    """Answers requests under /_control/ by verbs such as "GET /faults"."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = verbs

    def answer(self, request: Request) -> Response:
        """Answer one request: 404 for an unknown verb, 400 for a body that makes no sense."""
        verb = self._verbs.get(f"{request.method} {request.path.removeprefix(PREFIX)}")
        if verb is None:
            known = ", ".join(self._verbs)
            return Response.of_json({"error": f"The control API knows: {known}."}, 404)
        try:
            return Response.of_json(verb(request))
        except (ValueError, TypeError, KeyError) as error:
            return Response.of_json({"error": str(error)}, 400)


def common_verbs(faults: FaultController, outage: Outage) -> dict[str, Verb]:
    """Return the verbs that every stand-in has: health, faults and outages."""
    return {
        "GET /health": lambda request: {"ok": True},
        "GET /faults": lambda request: asdict(faults.settings),
        "PATCH /faults": lambda request: asdict(faults.change(request.json())),
        "GET /down": lambda request: outage.report(),
        "POST /down": lambda request: _go_down(outage, request.json()),
        "DELETE /down": lambda request: outage.end(),
    }


def _go_down(outage: Outage, given: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"seconds": AN_HOUR, "mode": "reset", **given}
    check_choice("mode", wanted["mode"], DOWN_MODES)
    outage.begin(seconds=float(wanted["seconds"]), mode=wanted["mode"])
    return outage.report()


class Window(TypedDict):
    """One outage, in real seconds since the epoch, and when calls came in it."""

    mode: str
    started: float
    ends: float
    calls: list[float]
    in_flight_peak: int


class Down(TypedDict):
    """The outages so far, and how many calls met them."""

    active: bool
    calls: int
    windows: list[Window]


class Control:
    """The client's half: every method raises ControlError (refused) and OSError (not there)."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._client = ControlClient(url, timeout)

    @property
    def url(self) -> str:
        """Where the control API is."""
        return self._client.url

    def healthy(self) -> bool:
        """Return whether the stand-in answers."""
        try:
            return bool(self._client.get("/health")["ok"])
        except OSError:
            return False

    def faults(self, **changes: float | str | bool) -> dict[str, Any]:
        """Change fault settings by name (see the stand-in's FaultSettings) and return them all."""
        return dict(self._client.call("PATCH", "/faults", changes))

    def down(self, seconds: float = AN_HOUR, mode: str = "reset") -> None:
        """Go down: "reset" cuts each connection, "unavailable" says so first (503, 421)."""
        self._client.call("POST", "/down", {"seconds": seconds, "mode": mode})

    def up(self) -> None:
        """Come back at once."""
        self._client.call("DELETE", "/down")

    def outages(self) -> Down:
        """Return the outages so far and the calls that met them."""
        outages: Down = self._client.get("/down")
        return outages

    def reset(self) -> None:
        """Forget everything and return to the settings of the start."""
        self._client.call("POST", "/reset", {})
