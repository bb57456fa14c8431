"""Connections to the broker: tried again each second at most, by a transport that survives it."""

from typing import Any

from celery.app.amqp import AMQP as CeleryAMQP  # noqa: N811 Celery's name
from kombu import Connection as KombuConnection

from celeriac.celery.transport import ROBUST

#: Seconds between two tries, the first and the longest; kombu's grows to half a minute.
FIRST_TRY, LONGEST = 0.2, 1.0


class Connection(KombuConnection):
    """kombu's connection, for a broker that comes back and is wanted at once."""

    def get_transport_cls(self) -> Any:
        """Return our form of the URL's transport, where there is one."""
        found: Any = super().get_transport_cls()
        return ROBUST.get(found, found)

    def _ensure_connection(  # type: ignore[override]  # kombu's stubs know whole seconds only
        self,
        errback: Any = None,
        max_retries: int | None = None,
        interval_start: float = FIRST_TRY,
        interval_step: float = FIRST_TRY,
        interval_max: float = LONGEST,
        **options: Any,
    ) -> Any:
        ensure: Any = super()._ensure_connection
        start, step = min(interval_start, FIRST_TRY), min(interval_step, FIRST_TRY)
        return ensure(errback, max_retries, start, step, min(interval_max, LONGEST), **options)


class AMQP(CeleryAMQP):
    """Celery's messages over our connections, whoever sends or takes them."""

    Connection = Connection
