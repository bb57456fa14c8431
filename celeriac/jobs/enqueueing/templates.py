"""Keys made from arguments: `lock="payment:{payment_id}"`. Pure: no Django."""

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from string import Formatter
from typing import Any

MAX_KEY = 500


@lru_cache(maxsize=1024)
def template_parts(template: str) -> tuple[tuple[str, str | None], ...]:
    """Return the template as (literal, field) pairs; ValueError where it is none."""
    found: list[tuple[str, str | None]] = []
    for literal, field, spec, conversion in Formatter().parse(template):
        if field is not None and (spec or conversion or not field.isidentifier()):
            raise ValueError(f"{template!r}: write arguments plainly, as in 'payment:{{id}}'.")
        found.append((literal, field))
    return tuple(found)


def template_fields(template: str) -> set[str]:
    """Return the arguments that the template names."""
    return {field for _, field in template_parts(template) if field is not None}


def render_key(template: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return the key of these arguments; where one was not given its default stands.

    Different arguments never make the same key: where the template names several,
    their separators are escaped in the values. A key too long for an index ends
    in the digest of its whole.
    """
    pairs = template_parts(template)
    several = sum(field is not None for _, field in pairs) > 1
    separators = {"%", *"".join(literal for literal, _ in pairs)} if several else set()
    key = "".join(
        literal
        if field is None
        else literal + _escape(_text(values.get(field, defaults.get(field))), separators)
        for literal, field in pairs
    )
    if len(key) <= MAX_KEY:
        return key
    return f"{key[: MAX_KEY - 65]}#{sha256(key.encode()).hexdigest()}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _escape(text: str, separators: set[str]) -> str:
    if not separators.intersection(text):
        return text
    return "".join(f"%{ord(letter):02x}" if letter in separators else letter for letter in text)
