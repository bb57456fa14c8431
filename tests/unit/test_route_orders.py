"""Which orders count for a task, and which calls are within a share."""

from uuid import uuid4

import pytest

from celeriac.jobs.routing.orders import (
    Order,
    decode_order,
    is_in_share,
    newest,
    read_target,
    share_of,
    target_of,
)


def test_the_newest_order_that_fits_counts():
    """However narrow the pattern of an older one is."""
    orders = newest(
        [Order("acme.mail.*", 0, 1), Order("acme.*", 5, 2), Order("acme.mail.send", 7, 0)]
    )
    assert [share_of(f"acme.{name}", orders) for name in ("mail.send", "bill")] == [5, 5]
    orders = newest(orders.values(), [Order("acme.mail.*", 100, 3), Order("acme.*", 0, 1)])
    assert [share_of(f"acme.{name}", orders) for name in ("mail.send", "bill")] == [100, 5]
    assert share_of("other", orders) == 100


def test_a_share_is_of_ids_and_grows_by_more_of_them():
    """The same id is on the same side each time; about so many are within."""
    ids = [str(uuid4()) for _ in range(4000)]
    five = {each for each in ids if is_in_share(each, 5)}
    assert 120 < len(five) < 290
    assert five == {each for each in ids if is_in_share(each, 5)}
    assert five < {each for each in ids if is_in_share(each, 50)}
    assert not any(is_in_share(each, 0) for each in ids)
    assert all(is_in_share(each, 100) for each in ids)


@pytest.mark.parametrize(
    ("text", "share"), [("plain", 0), ("Ledger", 100), ("5%", 5), ("0.5 %", 0.5), ("100%", 100)]
)
def test_a_target_is_a_word_or_a_percentage(text, share):
    """And says so when it is asked."""
    assert read_target(text) == share
    assert read_target(target_of(share)) == share


@pytest.mark.parametrize("text", ["", "5", "101%", "-1%", "five", "nan%", "1e1%"])
def test_any_other_target_is_refused(text):
    """By its name."""
    with pytest.raises(ValueError, match="neither plain, ledger nor a percentage"):
        read_target(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pattern": "a", "share": 500, "edit": 1}'])
def test_what_is_no_order_is_none(text):
    """The broker may hold anything."""
    assert decode_order(text) is None
    order = Order("a.*", 5.0, 7, "why", "ann", recorded=False)
    assert decode_order(order.encode()) == order
