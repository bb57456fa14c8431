import pytest
import stripe

from tests.integration.sandbox.tools import pay


def test_lists_page_from_the_newest_to_the_oldest_without_gap_or_repeat(client):
    """The SDK's own auto-paging walks them all."""
    made = [pay(client, reference=f"order-{number}").id for number in range(7)]

    first = client.v1.payment_intents.list({"limit": 3})

    assert first.has_more
    assert [intent.id for intent in first.data] == made[:3:-1]
    assert [intent.id for intent in first.auto_paging_iter()] == made[::-1]


def test_ending_before_pages_back(client):
    """The page before the oldest, nearest first."""
    made = [pay(client).id for _ in range(4)]

    page = client.v1.payment_intents.list({"limit": 2, "ending_before": made[0]})

    assert [intent.id for intent in page.data] == [made[2], made[1]]
    assert page.has_more


def test_a_window_of_creation_times_selects_by_the_gateways_clock(gateway, client):
    """Reconciliation asks window by window."""
    start = int(gateway.control.now())
    early = pay(client)
    gateway.control.advance(3600)
    late = pay(client)

    before = client.v1.payment_intents.list({"created": {"gte": start, "lt": start + 1800}})
    after = client.v1.charges.list({"created": {"gte": start + 1800}})

    assert [intent.id for intent in before.data] == [early.id]
    assert [charge.payment_intent for charge in after.data] == [late.id]


def test_a_cursor_that_does_not_exist_is_an_error(client):
    """Rather than an empty page, which would read as the end."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.list({"starting_after": "pi_nothing"})

    assert refused.value.param == "starting_after"


def test_a_payment_is_found_by_our_reference(client):
    """What resolves an unknown outcome."""
    pay(client, reference="order-1")
    wanted = pay(client, reference="it's order-2")

    query = r"metadata['reference']:'it\'s order-2' AND status:'succeeded'"
    found = client.v1.payment_intents.search({"query": query})

    assert [intent.id for intent in found.data] == [wanted.id]
    assert not found.has_more


def test_search_pages_and_combines_clauses(client):
    """By amount, negated metadata and page token."""
    for amount in (100, 200, 300, 400):
        pay(client, amount=amount, reference=f"order-{amount}")
    query = "amount>100 AND -metadata['reference']:'order-300'"

    pages = client.v1.payment_intents.search({"query": query, "limit": 1})

    assert pages.has_more
    assert [intent.amount for intent in pages.auto_paging_iter()] == [400, 200]


@pytest.mark.parametrize(
    "query", ["", "colour:'red'", "amount>'much'", "status 'ok'", "a:1 OR b:2"]
)
def test_a_search_that_can_not_be_read_is_an_error(client, query):
    """Rather than an empty result, which would read as "not charged"."""
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.search({"query": query})

    assert refused.value.param == "query"


def test_search_lags_behind_when_told_to(gateway, client):
    """As Stripe's does by up to a minute; lists never do."""
    gateway.control.faults(search_lag_seconds=60)
    intent = pay(client, reference="order-9")
    query = {"query": "metadata['reference']:'order-9'"}
    assert client.v1.payment_intents.search(query).data == []
    assert client.v1.payment_intents.list().data[0].id == intent.id

    gateway.control.advance(61)

    assert client.v1.payment_intents.search(query).data[0].id == intent.id


def test_events_tell_the_story_and_filter_by_type(client):
    """Each with a snapshot of its object at that moment."""
    intent = client.v1.payment_intents.create(
        {"amount": 5, "currency": "eur", "payment_method": "pm_card_visa"}
    )
    client.v1.payment_intents.confirm(intent.id)

    events = client.v1.events.list().data
    created = client.v1.events.list({"type": "payment_intent.created"}).data
    both = client.v1.events.list({"types": ["charge.succeeded", "payment_intent.succeeded"]}).data

    kinds = ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    assert [event.type for event in events] == kinds
    assert created[0].data.object["status"] == "requires_confirmation"
    assert [event.type for event in both] == kinds[:2]
    assert client.v1.events.retrieve(events[0].id).data.object["status"] == "succeeded"
