"""Arguments: validated at the door, restored before a run."""

import enum
from collections import deque
from collections.abc import (
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set as AbstractSet,
)
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NewType
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import gettz
from django.utils.safestring import SafeString
from hypothesis import given, strategies as st
from pydantic import BaseModel, SecretStr

from celeriac.jobs.errors import InvalidArgs
from celeriac.jobs.jsonable import stored
from celeriac.jobs.schema import Schema


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


class Line(BaseModel):
    """A line of an order."""

    sku: str
    count: int = 1


class Odd(BaseModel):
    """What JSON can't carry faithfully."""

    anything: Any = None
    secret: SecretStr = SecretStr("")


def handler(
    order: UUID,
    count: int = 3,
    note: Any = None,
    tags: set[str] = frozenset(),
    model_kind: str = "",
    schema: dict = {},  # noqa: B006 a default as users write it
):
    """Take some of everything."""


SCHEMA = Schema.of(handler)
ORDER = UUID(int=7)


def errors_of(schema, args):
    """Return what is wrong with the arguments, by field."""
    with pytest.raises(InvalidArgs) as caught:
        schema.check(args)
    return caught.value.errors


def test_only_what_was_given_is_stored():
    """A default is the handler's on the day it runs."""
    dumped = SCHEMA.check({"order": str(ORDER), "count": "4"})
    assert dumped.values == {"order": str(ORDER), "count": 4}
    assert SCHEMA.load(dumped.text) == {"order": ORDER, "count": 4}
    assert SCHEMA.load(dumped.values) == {"order": ORDER, "count": 4}


@pytest.mark.parametrize(
    ("args", "field", "words"),
    [
        ({}, "order", "is missing"),
        ({"order": ORDER, "cuont": 1}, "cuont", "did you mean 'count'"),
        ({"order": ORDER, "zzz": 1}, "zzz", "handler takes order, count"),
        ({"order": "nope"}, "order", "valid UUID"),
        ({"order": ORDER, "note": {1, 2}}, "note", "no JSON value (set)"),
        ({"order": ORDER, "note": object()}, "note", "no JSON value (object)"),
        ({"order": ORDER, "note": [{"x": b"y"}]}, "note.list.0.dict.x", "no JSON value (bytes)"),
        ({"order": ORDER, "schema": {"x": ORDER}}, "schema.x", "no JSON value (UUID)"),
        ({"order": ORDER, "note": float("nan")}, "note", "NaN and Infinity"),
        ({"order": ORDER, "note": [float("inf")]}, "note", "NaN and Infinity"),
        ({"order": ORDER, "model_kind": "a\x00"}, "model_kind", "NUL"),
        ({"order": ORDER, "note": {"a\x00": 1}}, "note", "NUL"),
        ({"order": ORDER, "model_kind": "\ud800"}, "model_kind", "surrogate"),
        ({"order": ORDER, "note": {"\udfff": 1}}, "note", "surrogate"),
        ({"order": ORDER, "count": 2**63}, "count", "64 bits"),
        ({"order": ORDER, "note": -(2**64)}, "note", "64 bits"),
        ({"order": ORDER, 5: 1}, "5", "Keys should be strings"),
        ({"order": ORDER, "note": {5: 1}}, "note.dict.5.[key]", "valid string"),
        ([1], "args", "mapping"),
        (None, "args", "mapping"),
    ],
)
def test_what_the_ledger_could_not_give_back_is_refused_by_field(args, field, words):
    """The error names the place and the remedy."""
    assert words in errors_of(SCHEMA, args)[field]


@pytest.mark.parametrize("depth", [65, 300, 5000])
def test_arguments_nested_too_deep_are_refused(depth):
    """However deep."""
    value = 1
    for _ in range(depth):
        value = [value]
    (problem,) = errors_of(SCHEMA, {"order": ORDER, "note": value}).values()
    assert problem == "is nested deeper than 64 levels"


def test_depth_numbers_and_escapes_within_bounds_pass():
    """What merely looks suspicious is looked at and let through."""
    note = ["\\u0000", 2**63 - 1, "12345678901234567890", [[]] * 70]
    assert SCHEMA.check({"order": ORDER, "note": note}).values["note"] == note


def test_sets_are_stored_in_one_order():
    """Equal arguments read equal, whatever process wrote them."""
    assert SCHEMA.check({"order": ORDER, "tags": {"c", "a", "b"}}).values["tags"] == ["a", "b", "c"]


def test_types_survive_the_way_through_json():
    """Declared types are restored."""

    def typed(
        amount: Decimal,
        when: datetime,
        day: date,
        colour: Colour,
        mode: Literal["x", "y"],
        lines: list[Line],
        pair: tuple[int, str],
        pause: timedelta,
        maybe: int | None = None,
    ):
        """Take typed things."""

    given_args = {
        "amount": Decimal("1.20"),
        "when": datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC),
        "day": date(2030, 1, 1),
        "colour": Colour.RED,
        "mode": "y",
        "lines": [Line(sku="a", count=2)],
        "pair": (1, "b"),
        "pause": timedelta(seconds=1.5),
        "maybe": None,
    }
    schema = Schema.of(typed)
    assert schema.load(schema.check(given_args).text) == given_args


@pytest.mark.parametrize("odd", [{"anything": {1, 2}}, {"secret": "hush"}])
def test_a_value_that_would_come_back_changed_is_refused(odd):
    """A set inside an open field, a masked secret."""

    def take(odd: Odd):
        """Take it."""

    assert "odd" in errors_of(Schema.of(take), {"odd": Odd(**odd)})


def test_a_handler_must_name_its_arguments():
    """Neither *args nor **kwargs has a schema."""
    with pytest.raises(TypeError, match="named arguments"):
        Schema.of(lambda *args: None)
    with pytest.raises(TypeError, match="named arguments"):
        Schema.of(lambda **kwargs: None)


def test_the_json_schema_names_types_and_defaults():
    """For the API and the admin's form."""
    schema = SCHEMA.json_schema()
    assert schema["required"] == ["order"]
    assert schema["properties"]["count"] == {"title": "Count", "type": "integer", "default": 3}
    assert schema["additionalProperties"] is False


def taking(hint):
    """Return the schema of a handler with one argument of that type."""

    def take(value):
        """Take it."""

    take.__annotations__["value"] = hint
    return Schema.of(take)


class Level(enum.IntEnum):
    """A number by name."""

    HIGH = 1


class Pair(enum.Enum):
    """A member whose value JSON has not."""

    ONE = (1, 2)


class Shade(enum.StrEnum):
    """A text by name."""

    DARK = "dark"


BERLIN = ZoneInfo("Europe/Berlin")


@dataclass
class Visit:
    """A moment among other things."""

    at: datetime
    others: set[datetime] = field(default_factory=set)


type Numbers = Iterable[int]
type Tree = int | list[Tree]
type When = datetime
type Once = Iterator[int]
Ids = NewType("Ids", Iterable[int])


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (str | UUID, str(UUID(int=7))),
        (str | date, date(2030, 1, 1)),
        (str | time, time(12, 0)),
        (str | datetime, datetime(2030, 1, 1, tzinfo=UTC)),
        (str | Decimal, Decimal("1.20")),
        (str | Colour, Colour.RED),
        (str | timedelta, timedelta(seconds=1)),
        (list[int] | set[int], {1, 2}),
        (list[int] | tuple[int, ...], (1, 2)),
        (int | Level, Level.HIGH),
        (list[str | UUID], [str(UUID(int=7))]),
        (dict[str, str | UUID], {"a": str(UUID(int=7))}),
        (str | Shade, Shade.DARK),
        (Any, 1e16),
        (Any, {"a": [1e300]}),
        (int | float, 1e17),
        (time, time(12, 0, tzinfo=BERLIN)),
        (datetime, datetime(1880, 1, 1, tzinfo=timezone(timedelta(seconds=3208)))),
        (datetime, datetime(1880, 1, 1, tzinfo=BERLIN)),
        (datetime, datetime(2030, 1, 1, tzinfo=gettz("Europe/Berlin"))),
        (datetime, datetime(2030, 10, 27, 2, 30, fold=1)),
        (Visit, Visit(datetime(2030, 7, 1, tzinfo=BERLIN))),
        (Visit, Visit(datetime(2030, 7, 1), {datetime(2030, 7, 1, tzinfo=BERLIN)})),
        (deque[int], deque([1], 3)),
    ],
)
def test_what_would_come_back_as_another_type_is_refused(hint, value):
    """Members of a union that look alike in JSON, whole floats, offsets with seconds."""
    assert "as it went in" in errors_of(taking(hint), {"value": value})["value"]


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (str | UUID, "text"),
        (str | UUID, UUID(int=7)),
        (str | Shade, "dark"),
        (str, "plain"),
        (date | str, "2030-01-01x"),
        (int | str, 5),
        (int | str, "5"),
        (int | float, 5.0),
        (int | float, 5),
        (bool | int, 1),
        (bool | int, True),
        (float, 1e16),
        (list[float], [1e300, 5.0, -0.5]),
        (Any, 5.0),
        (Any, "1e16"),
        (Any, [1e-7, 1.5, 10**15]),
        (Level, Level.HIGH),
        (Decimal, Decimal("1E+3")),
        (time, time(12, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
        (datetime, datetime(2030, 7, 1, 12, tzinfo=BERLIN)),
        (datetime, datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=1)),
        (datetime, datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN)),
        (datetime, datetime(2030, 1, 1, tzinfo=ZoneInfo("UTC"))),
        (datetime, datetime(2030, 1, 1, tzinfo=UTC)),
        (datetime, datetime(2030, 1, 1)),
        (datetime | None, datetime(2030, 7, 1, tzinfo=BERLIN)),
        (list[datetime], [datetime(2030, 7, 1, tzinfo=BERLIN)]),
        (datetime | str, "2030-01-01 in words"),
        (When, datetime(2030, 7, 1, 12, tzinfo=BERLIN)),
        (Tree, [1, [2]]),
        (Visit, Visit(datetime(2030, 7, 1, tzinfo=UTC))),
    ],
)
def test_what_comes_back_comes_back_in_value_and_type(hint, value):
    """Zones with a name keep it."""
    schema = taking(hint)
    (back,) = schema.load(stored(schema.check({"value": value}).text)).values()
    assert (back, type(back)) == (value, type(value))
    if isinstance(value, datetime):
        assert (back.utcoffset(), back.fold) == (value.utcoffset(), value.fold)
        assert getattr(back.tzinfo, "key", "") == getattr(value.tzinfo, "key", "")


@pytest.mark.parametrize(
    ("hint", "value", "plain"),
    [(str, Shade.DARK, "dark"), (int, Level.HIGH, 1), (Any, SafeString("x"), "x")],
)
def test_a_value_of_a_subclass_becomes_what_the_handler_declares(hint, value, plain):
    """As Django's choices and safe texts do."""
    schema = taking(hint)
    (back,) = schema.load(schema.check({"value": value}).text).values()
    assert (back, type(back)) == (plain, type(plain))


def test_a_member_whose_value_json_has_not_is_refused():
    """Its tuple would come back as a list, and be no member."""
    assert "value" in errors_of(taking(Pair), {"value": Pair.ONE})


def test_a_zone_that_is_none_is_refused_by_its_name():
    """As the HTTP API may send it."""
    schema = taking(datetime)
    for name in ("Mars/Base", "Europe", "x" * 300):
        problem = errors_of(schema, {"value": f"2030-01-01T00:00:00+01:00[{name}]"})["value"]
        assert repr(name) in problem


def test_the_ends_of_time_are_refused_in_zones_that_go_beyond_them():
    """An error of the caller's, not of ours."""
    schema = taking(datetime)
    text = "0001-01-01T00:00:00Z[America/New_York]"
    assert "beyond the years" in errors_of(schema, {"value": text})["value"]
    late = datetime(9999, 12, 31, 23, tzinfo=ZoneInfo("America/New_York"))
    assert "beyond the years" in errors_of(schema, {"value": late})["value"]


def test_a_time_with_a_zone_and_no_offset_is_that_zones_own():
    """Whatever zone the machine is in."""
    schema = taking(datetime)
    (value,) = schema.load(schema.check({"value": "2030-07-01T12:00[Europe/Berlin]"}).text).values()
    assert (value.hour, value.utcoffset()) == (12, timedelta(hours=2))


@pytest.mark.parametrize(
    ("hint", "value", "back"),
    [
        (Iterable[int], [1, 2], [1, 2]),
        (Iterable[int], (n for n in (1, 2)), [1, 2]),
        (Sequence[int], (1, 2), [1, 2]),
        (Collection[str], ["a"], ["a"]),
        (Iterable, ["a", 1], ["a", 1]),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (AbstractSet[int], {1, 2}, {1, 2}),
        (Iterable[UUID] | None, [UUID(int=7)], [UUID(int=7)]),
        (Numbers, (1, 2), [1, 2]),
        (Ids, [1, 2], [1, 2]),
    ],
)
def test_abstract_collections_come_as_those_of_json(hint, value, back):
    """A generator is read once, here, and never again."""
    schema = taking(hint)
    assert schema.load(schema.check({"value": value}).text) == {"value": back}


@pytest.mark.parametrize("hint", [Iterator[int], Generator[int], Once])
def test_what_is_read_only_once_is_refused_where_it_is_declared(hint):
    """A job may run again."""
    with pytest.raises(TypeError, match="use a list"):
        taking(hint)


def test_a_default_of_none_says_that_none_may_be_given():
    """As Python reads it, whatever the annotation says."""

    def take(count: int = None, names: list[str] = None):  # noqa: RUF013 as people write it
        """Take them."""

    schema = Schema.of(take)
    given_args = {"count": None, "names": None}
    assert schema.load(schema.check(given_args).text) == given_args
    assert "integer" in errors_of(schema, {"count": "many"})["count"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_value_comes_back_as_it_went_in_or_is_refused(value):
    """Nothing is altered silently."""
    try:
        dumped = SCHEMA.check({"order": ORDER, "note": value})
    except InvalidArgs:
        return
    back = SCHEMA.load(stored(dumped.text))["note"]
    assert repr(back) == repr(value)
    assert "\\u0000" not in dumped.text.replace("\\\\", "")
