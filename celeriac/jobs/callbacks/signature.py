"""The signature of a callback: `t=<seconds>,v1=<hex>[,v1=<hex>]`.

HMAC-SHA256 over the timestamp, a dot and the raw body, one `v1` for each secret: while a
secret is being changed, two. docs/callbacks.md shows how a receiver verifies it.
"""

import hmac

from celeriac.settings import conf

HEADER = "Celeriac-Signature"


def callback_secrets() -> list[str]:
    """Return the secrets in use: the present one, and the former one while it is changed."""
    return [text for text in (conf.CALLBACK_SECRET, conf.CALLBACK_SECRET_FORMER) if text]


def sign_body(body: bytes, *, timestamp: int) -> str:
    """Return the header's value for a body that leaves at `timestamp` (seconds, Unix time)."""
    message = f"{timestamp}.".encode() + body
    made = (
        hmac.new(secret.encode(), message, "sha256").hexdigest() for secret in callback_secrets()
    )
    return ",".join([f"t={timestamp}", *(f"v1={value}" for value in made)])
