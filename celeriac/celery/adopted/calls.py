"""A call of an adopted task as a job's arguments: `{"args": […], "kwargs": {…}}`.

Both are as kombu's JSON has them: a UUID, a moment, a Decimal or bytes bear a mark. The row's
own type sorts the keys of dictionaries and knows neither NUL nor NaN. A call that it would
change is kept word for word as well (`exact`), and one that is too large for the row stands in
a table beside it (`apart`, its size in bytes).
"""

import json
import re
from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from typing import Any
from uuid import UUID

from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads

from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.schema import Dumped, Schema
from celeriac.settings import conf

#: What the row's JSON lacks or would write otherwise: NUL and halves of surrogate pairs, NaN and
#: infinity, numbers with an exponent, minus zero.
_CHANGED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|NaN|Infinity|\d[eE][+-]?\d|-0\.0")
_STARRED = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def encode_call(args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of the job that a call becomes; InvalidArgs where JSON has none."""
    if not isinstance(args, list | tuple | None):
        raise TypeError("task args must be a list or tuple")
    if not isinstance(kwargs, Mapping | None):
        raise TypeError("task keyword arguments must be a mapping")
    return {"args": list(args or ()), "kwargs": dict(kwargs or {})}


def decode_call(values: Mapping[str, Any], job_id: UUID | None = None) -> tuple[Any, Any]:
    """Return the positional and the keyword arguments of a job, with their own types.

    LookupError where they stood beside the job, and are no longer there.
    """
    if "apart" in values:
        from celeriac.jobs.models import LargeCall  # tasks are declared before the models are ready

        assert job_id is not None  # noqa: S101 a run knows its job
        text = LargeCall.objects.filter(pk=job_id).values_list("text", flat=True).first()
        if text is None:
            raise LookupError(f"The arguments of job {job_id} are gone: they stood beside it.")
        call = loads(text)
    else:
        call = loads(values.get("exact") or json.dumps(values))
    return call["args"], call["kwargs"]


class AdoptedSchema(Schema):
    """Takes any call that kombu's JSON can carry; annotations are not enforced, as in Celery."""

    __slots__ = ("_named", "_signature")
    hidden = frozenset({"exact"})

    def __init__(self, name: str, function: Any, named: tuple[str, ...] = ()) -> None:
        """Take calls of a function; `named` are keywords that its `**kwargs` may bring."""
        super().__init__(name, {"args": Any, "kwargs": Any}, {"args": [], "kwargs": {}})
        self._signature = _signature(function)
        self._named = named

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names that a redaction or a search may use."""
        found = self._signature.parameters.values()
        own = tuple(each.name for each in found if each.kind not in _STARRED)
        takes_any = any(each.kind is Parameter.VAR_KEYWORD for each in found)
        return own + self._named if takes_any else own

    def named(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values by the function's own parameters, as far as they fit."""
        args, kwargs = values.get("args") or [], values.get("kwargs") or {}
        try:
            bound = self._signature.bind_partial(*args, **kwargs).arguments
        except TypeError:
            return dict(kwargs)
        parameters = self._signature.parameters
        more = [name for name in bound if parameters[name].kind is Parameter.VAR_KEYWORD]
        return {**bound, **(bound[more[0]] if more else {})}

    def check(self, args: Mapping[str, Any]) -> Dumped:
        """Return a call as the row and the table beside it hold it.

        InvalidArgs where it is none, is too large, or JSON can't carry it.
        """
        if unknown := set(args) - {"args", "kwargs"}:
            problems = dict.fromkeys(unknown, "is unknown; a call has args and kwargs")
            raise InvalidArgs(f"{self.name}: a call has args and kwargs.", errors=problems)
        text = self._text({"args": args.get("args") or [], "kwargs": args.get("kwargs") or {}})
        if len(text) > conf.MAX_ARGS_BYTES:
            return self._apart(text)
        if _CHANGED.search(text):
            return self._apart(text)
        values = json.loads(text)
        if not _in_order(values["args"]) or not _in_order(values["kwargs"]):
            values["exact"] = text
            text = json.dumps(values)
        return Dumped(values, text)

    def load(self, args: str | Mapping[str, Any]) -> dict[str, Any]:
        """Return the stored values; the run decodes them, which may need the table beside."""
        values: dict[str, Any] = json.loads(args) if isinstance(args, str) else dict(args)
        return {"values": values}

    def _text(self, call: dict[str, Any]) -> str:
        try:
            text: str = dumps(call)
        except (TypeError, ValueError, EncodeError, RecursionError) as error:
            problem = f"{self.name}: its arguments are no JSON ({error}): pass plain data, or an id"
            raise InvalidArgs(f"{problem}. Pickled objects can't be kept.") from error
        return text

    def _apart(self, text: str) -> Dumped:
        limit = conf.MAX_LARGE_ARGS_BYTES
        if len(text) > limit:
            raise InvalidArgs(
                f"The arguments of {self.name!r} take {len(text):,} bytes, {limit:,} are allowed "
                "(CELERIAC['MAX_LARGE_ARGS_BYTES']): store the data and pass its id.",
                errors={"args": f"take {len(text):,} bytes, {limit:,} are allowed"},
            )
        values = {"apart": len(text)}
        return Dumped(values, json.dumps(values), apart=text)


def _signature(function: Any) -> Signature:
    try:
        return signature(function)
    except (TypeError, ValueError):  # of a callable that has none, such as a builtin
        return Signature()


def _in_order(value: Any) -> bool:
    """Return whether the row's JSON keeps the order of all keys: shorter ones come first in it."""
    if isinstance(value, dict):
        keys = [key.encode() for key in value]
        ordered = keys == sorted(keys, key=lambda key: (len(key), key))
        return ordered and all(_in_order(item) for item in value.values())
    return not isinstance(value, list) or all(_in_order(item) for item in value)
