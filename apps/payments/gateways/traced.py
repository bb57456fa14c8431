"""The SDK's HTTP client, each call a span of the trace that the payment belongs to."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe

from celeriac import tracing


class TracedClient(stripe.RequestsClient):
    """Sends the W3C traceparent along where anything is traced."""

    def request(  # type: ignore[override]  # as its parent has it, which differs from its own
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Make one call."""
        parts = urlsplit(url)
        with tracing.span(
            f"{method.upper()} stripe",
            "client",
            http__request__method=method.upper(),
            server__address=parts.hostname or "",
            url__path=parts.path,
        ) as span:
            answer = super().request(method, url, tracing.with_headers(headers), post_data)
            if span is not None:
                span.set_attribute("http.response.status_code", answer[1])
        return answer
