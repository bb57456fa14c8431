"""Declared kinds, and keys made from their arguments."""

import pytest
from hypothesis import given, strategies as st

from celeriac.jobs import registry
from celeriac.jobs.enqueueing import templates
from celeriac.jobs.errors import UnknownKind
from celeriac.jobs.schema import Schema


def first(account: str):
    """Do something."""


def second(account: str):
    """Do something else."""


@pytest.fixture
def declare():
    """Return a function that declares a kind for this test."""
    names = []

    def declare(name, handler=first, **policy):
        names.append(name)
        return registry.declare_kind(
            registry.Kind(name=name, handler=handler, schema=Schema.of(handler), **policy)
        )

    yield declare
    for name in names:
        registry.forget_kind(name)


def test_a_kind_is_found_by_name_and_alias(declare):
    """Both lead to the one declaration."""
    kind = declare("unit.new", aliases=("unit.old",))
    assert registry.find_kind("unit.new") is registry.find_kind("unit.old") is kind
    assert {"unit.new", "unit.old"} <= set(registry.kind_names())
    assert kind in list(registry.declared_kinds())


def test_an_unknown_kind_says_what_was_probably_meant(declare):
    """Or where to declare it."""
    declare("unit.capture")
    with pytest.raises(UnknownKind, match=r"mean 'unit\.capture'"):
        registry.find_kind("unit.captrue")
    with pytest.raises(UnknownKind, match="MODULES"):
        registry.find_kind("xyz")
    assert registry.get_kind("xyz") is None


def test_a_name_is_declared_once(declare):
    """The same handler may come again, as on a reload; another may not, not by alias either."""
    declare("unit.one", aliases=("unit.uno",))
    declare("unit.one", aliases=("unit.uno",))
    with pytest.raises(ValueError, match="declared twice"):
        declare("unit.uno", second)


def test_a_forgotten_kind_takes_its_aliases_along(declare):
    """For tests."""
    declare("unit.gone", aliases=("unit.went",))
    registry.forget_kind("unit.gone")
    assert registry.get_kind("unit.went") is None


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"lock": "account:{acount}"}, "names acount, but the handler takes account"),
        ({"unique": "{nothing}"}, "names nothing"),
        ({"unique": "{account!r}"}, "plainly"),
        ({"unique": "{account.name}"}, "plainly"),
        ({"unique": "{account:>10}"}, "plainly"),
        ({"batch": 0}, "1 or more"),
        ({"retention": -1}, "0 or more"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_at_once(declare, policy, words):
    """Not at the first job."""
    with pytest.raises(ValueError, match=words):
        declare("unit.bad", **policy)


@pytest.mark.parametrize(
    ("policy", "alone"),
    [({}, False), ({"lock": "x"}, True), ({"breaker": "b"}, True), ({"batch": 1}, True)],
)
def test_some_kinds_ring_alone(declare, policy, alone):
    """Locks, circuits and batch=1."""
    assert declare("unit.ring", **policy).rings_alone is alone


def test_a_template_reads_plainly():
    """Text as it is, other values as JSON, what was not given by its default."""
    assert templates.render_key("a:{x}", {"x": "b c/d@e"}, {}) == "a:b c/d@e"
    assert templates.render_key("a:{x}", {}, {"x": None}) == "a:null"
    assert templates.render_key("{{{x}}}", {"x": 5}, {}) == "{5}"


@given(*[st.text(alphabet="a:%-", max_size=5)] * 4)
def test_different_values_make_different_keys(a, b, c, d):
    """No separator in a value is mistaken for the template's own."""
    one = templates.render_key("k:{x}:-{y}", {"x": a, "y": b}, {})
    two = templates.render_key("k:{x}:-{y}", {"x": c, "y": d}, {})
    assert (one == two) == ((a, b) == (c, d))


def yields(account: str):
    """Do nothing before somebody asks."""
    yield account


async def yields_later(account: str):
    """Do nothing before somebody awaits."""
    yield account


@pytest.mark.parametrize("handler", [yields, yields_later])
def test_a_handler_that_a_call_does_not_run_is_refused(declare, handler):
    """Its jobs would succeed, and nothing would have happened, or outside of every limit."""
    with pytest.raises(ValueError, match="has a yield"):
        declare("unit.yields", handler)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"timeout": 0}, "timeout=0 seconds"),
        ({"timeout": -1}, "or None"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"hard_timeout": 0}, "hard_timeout=0 seconds"),
        ({"timeout": None, "hard_timeout": float("inf")}, "hard_timeout=inf"),
        ({"timeout": None, "hard_timeout": 1e300}, "ten years"),
        ({"timeout": 1e300, "hard_timeout": 1e301}, "ten years"),
    ],
)
def test_limits_that_no_run_can_keep_are_refused(declare, limits, words):
    """Where the kind is declared, not at its first job."""
    with pytest.raises(ValueError, match=words):
        declare("unit.limits", **limits)
