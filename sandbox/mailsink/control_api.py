"""The sink's control API, under /_control/: JSON, for demos, tests and chaos."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from sandbox.common.control import ControlApi, common_verbs
from sandbox.common.down import Outage
from sandbox.common.http import Request
from sandbox.mailsink.faults import FaultInjector
from sandbox.mailsink.store import MessageStore


def control_api(
    store: MessageStore, faults: FaultInjector, outage: Outage, reset: Callable[[], None]
) -> ControlApi:
    """Return the control API of a sink."""

    def messages(request: Request) -> list[dict[str, Any]]:
        after = int(dict(parse_qsl(request.query)).get("after", 0))
        return list(store.messages(after))

    return ControlApi(
        {
            **common_verbs(faults, outage),
            "GET /messages": messages,
            "GET /stats": lambda request: {**store.report(), "down": outage.report()},
            "POST /reset": lambda request: reset(),
        }
    )
