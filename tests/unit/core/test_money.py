"""Amounts as people read them."""

import pytest

from apps.core.money import display


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "eur", "12.50 EUR"),
        (5, "usd", "0.05 USD"),
        (1250, "jpy", "1250 JPY"),
        (1250, "kwd", "1.250 KWD"),
    ],
)
def test_minor_units_read_as_their_currency_has_them(amount, currency, text):
    """Hundredths for most, none for yen, thousandths for dinars."""
    assert display(amount, currency) == text
