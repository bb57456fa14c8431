"""Amounts as people read them, by ISO 4217. Pure."""

from iso4217 import Currency


def decimals(currency: str) -> int | None:
    """Return how many decimals the currency has; None for what is none that people pay with.

    ISO 4217 lists gold, funds and test codes too, and gives them no minor unit.
    """
    try:
        exponent = Currency(currency.upper()).exponent
    except ValueError:
        return None
    return None if exponent is None else int(exponent)


def display_amount(amount: int, currency: str) -> str:
    """Return minor units as text: `display(1250, "eur")` is `12.50 EUR`.

    Of an unknown currency nobody can say what the amount counts, so the text says that.
    """
    exponent = decimals(currency)
    if exponent is None:
        return f"{amount} minor units of {currency.upper()}"
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**exponent)
    digits = f"{whole}.{rest:0{exponent}}" if exponent else f"{whole}"
    return f"{sign}{digits} {currency.upper()}"
