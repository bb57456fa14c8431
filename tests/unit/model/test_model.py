"""The protocol keeps its invariants in every world within the small bound, and needs each rule."""

from dataclasses import replace

import pytest

from tests.model.call_off import CallOff, Watch
from tests.model.configs import FULL, SMALL
from tests.model.explore import STUCK, explore
from tests.model.flows import Flow
from tests.model.flows_world import Keep
from tests.model.halting import Halt, Halting
from tests.model.heartbeat import Beats, Heartbeat
from tests.model.loop import Loop, Verdict
from tests.model.mutants import HARMLESS, MUTANTS
from tests.model.rules import Rules


def sound_worlds():
    """Return the mutants' worlds without their mutations: each once, and none of `SMALL`'s."""
    known, worlds = {_nameless(model) for model in SMALL}, []
    for mutant in MUTANTS:
        model = _restored(mutant.model)
        if _nameless(model) not in known:
            known.add(_nameless(model))
            worlds.append(model)
    return worlds


def _restored(model):
    if isinstance(model, Heartbeat | Halting | CallOff | Loop):
        return Heartbeat(faults=1) if isinstance(model, Heartbeat) else type(model)()
    if isinstance(model, Flow):
        return model.mutate(**Keep()._asdict())
    return model.mutate(**Rules()._asdict())


def _nameless(model):
    return replace(model, name="")


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_no_interleaving_breaks_an_invariant(model):
    """Safety in every reachable world, and from each of them every job can still end."""
    found = explore(model)
    assert not found.broken, [label for label, _ in found.trace]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_protocol_without_one_of_its_rules_is_caught(mutant):
    """At the very invariant that the rule is there for."""
    found = explore(mutant.model)
    assert found.broken == mutant.breaks


@pytest.mark.parametrize("model", HARMLESS, ids=lambda model: model.name)
def test_what_costs_only_time_or_order_breaks_nothing(model):
    """The line's own rules hold no invariant: the claim does, and a dispatcher's look."""
    assert not explore(model).broken


def test_every_rule_is_missed_by_some_mutant():
    """A rule that no mutant leaves out would not have to be there."""
    left_out = {
        rule
        for model in [*(mutant.model for mutant in MUTANTS), *HARMLESS]
        for rule, default in type(model.rules)()._asdict().items()
        if getattr(model.rules, rule) != default
    }
    assert left_out == {
        *Rules._fields,
        *Beats._fields,
        *Halt._fields,
        *Watch._fields,
        *Verdict._fields,
        *Keep._fields,
    }


@pytest.mark.parametrize("model", sound_worlds(), ids=lambda model: model.name)
def test_the_worlds_of_the_mutants_are_sound_without_their_mutation(model):
    """What is caught is the missing rule, not the world it was left out in."""
    nobody_rings = model.name == "publish before the commit, and trust it"
    assert explore(model).broken == (STUCK if nobody_rings else "")


def test_the_command_asks_more_of_the_same_worlds():
    """The two bounds name the same configurations."""
    assert [model.name for model in FULL] == [model.name for model in SMALL]


def test_a_stuck_job_is_found_with_the_way_to_it():
    """Liveness has a trace as well."""
    found = explore(next(m.model for m in MUTANTS if m.name == "no re-ring"))
    assert found.broken == STUCK
    assert [label for label, _ in found.trace][-1] == "FLUSHALL"
