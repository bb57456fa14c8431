"""Amounts as people read them."""

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from iso4217 import Currency

from apps.payments.money import decimals, display_amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1250, "eur", "12.50 EUR"),
        (5, "usd", "0.05 USD"),
        (1250, "jpy", "1250 JPY"),
        (1250, "kwd", "1.250 KWD"),
        (1250, "huf", "12.50 HUF"),
        (1250, "pyg", "1250 PYG"),
        (1250, "isk", "1250 ISK"),
        (1250, "omr", "1.250 OMR"),
        (12345, "clf", "1.2345 CLF"),
        (1250, "EUR", "12.50 EUR"),
        (-5, "eur", "-0.05 EUR"),
        (-1250, "eur", "-12.50 EUR"),
        (-1250, "jpy", "-1250 JPY"),
        (0, "eur", "0.00 EUR"),
    ],
)
def test_minor_units_read_as_their_currency_has_them(amount, currency, text):
    """Hundredths for most, none for yen, thousandths for dinars; debts have a sign."""
    assert display_amount(amount, currency) == text


@pytest.mark.parametrize("currency", ["zzz", "xau", "xxx", "", "euro"])
def test_what_nobody_pays_with_has_no_decimals(currency):
    """Gold and test codes are listed, but have no minor unit."""
    assert decimals(currency) is None
    assert display_amount(1250, currency) == f"1250 minor units of {currency.upper()}"


@given(
    st.integers(-(10**15), 10**15),
    st.sampled_from([each.code for each in Currency if each.exponent is not None]),
)
def test_any_amount_of_any_currency_reads_back(amount, currency):
    """The text is the amount, whatever its sign."""
    number, code = display_amount(amount, currency.lower()).split()
    assert (Decimal(number).scaleb(decimals(currency)), code) == (amount, currency)
