"""JSON as strictly as it is meant: what two readers would read differently is refused."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.parsers import BaseParser

from celeriac.http.problems import Malformed, TooLarge
from celeriac.jobs.jsonable import MAX_INTEGER

_DIGITS = 20
#: UTF-16, UTF-32 and a byte order mark are refused by decoding as UTF-8.
_ENCODING = "utf-8"


class StrictJSONParser(BaseParser):
    """Refuses bodies that are too large, and everything in JSON that is not plain."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body's value; raises Malformed or TooLarge."""
        context = parser_context or {}
        limit: int = context["view"].max_body
        if int(context["request"].META.get("CONTENT_LENGTH") or 0) > limit:
            raise TooLarge(limit)
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(limit)
        return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Return the value of a JSON text; raises Malformed, saying where."""
    try:
        value = json.loads(
            body.decode(_ENCODING),
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: byte {error.start} does not fit.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(f"The body is no JSON: {error.msg} at {where}.") from error
    except RecursionError as error:
        raise Malformed("The body is nested too deeply.") from error
    if b"\\u" in body or b"\x00" in body:
        _check_texts(value)
    return value


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS or abs(int(digits)) > MAX_INTEGER:
        raise Malformed(f"The number {digits[:24]}… is beyond 64 bits: pass it as text.")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Malformed(f"The number {digits[:24]} is too large: pass it as text.")
    return number


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed(f"The name {_twice(pairs)[:100]!a} stands twice in one object.")
    return found


def _twice(pairs: list[tuple[str, Any]]) -> str:
    """Return the first name that comes again, in one pass: a body may hold a million."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _check_texts(value: object) -> None:
    """Refuse NUL and halves of surrogate pairs: no database and no other reader takes them."""
    heap = [value]
    while heap:
        item = heap.pop()
        if isinstance(item, str):
            if "\x00" in item or any("\ud800" <= letter <= "\udfff" for letter in item):
                raise Malformed("The body holds a NUL character or half a surrogate pair.")
        elif isinstance(item, dict):
            heap += item.keys()
            heap += item.values()
        elif isinstance(item, list):
            heap += item
