"""Idempotency keys and what they stand for. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID


def idempotency_key(operation_id: UUID) -> str:
    """Return the one key that an operation ever uses."""
    return f"celeriac-{operation_id}"


def params_hash(kind: str, params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an operation's kind and parameters, order of fields aside."""
    text = json.dumps([kind, params], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
