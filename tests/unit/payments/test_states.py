"""The table of states, and keys."""

from uuid import uuid4

from apps.payments import keys
from apps.payments.states import EDGES, FINAL, State, allows


def test_nothing_leaves_a_final_state():
    """Succeeded, declined and cancelled stay."""
    assert not any(allows(state, after) for state in FINAL for after in State)


def test_unknown_never_goes_back_to_submitted():
    """What may have moved money is never started over."""
    assert EDGES[State.UNKNOWN] == FINAL


def test_the_hash_ignores_the_order_of_fields_and_nothing_else():
    """A changed amount changes it, as does the kind."""
    first = keys.params_hash("capture", {"amount": 1, "currency": "eur"})
    assert first == keys.params_hash("capture", {"currency": "eur", "amount": 1})
    assert first != keys.params_hash("capture", {"amount": 2, "currency": "eur"})
    assert first != keys.params_hash("refund", {"amount": 1, "currency": "eur"})


def test_an_operation_has_one_key_that_fits_the_provider():
    """At most 255 characters, the same each time."""
    operation_id = uuid4()
    assert keys.idempotency_key(operation_id) == keys.idempotency_key(operation_id)
    assert len(keys.idempotency_key(operation_id)) <= 255
