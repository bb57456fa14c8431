"""Amounts as people read them. Pure."""

#: ISO 4217 currencies whose minor unit is not a hundredth.
_EXPONENTS = {"jpy": 0, "krw": 0, "vnd": 0, "clp": 0, "bhd": 3, "kwd": 3, "tnd": 3}


def display(amount: int, currency: str) -> str:
    """Return minor units as text: `display(1250, "eur")` is `12.50 EUR`."""
    exponent = _EXPONENTS.get(currency, 2)
    whole, rest = divmod(amount, 10**exponent)
    return (
        f"{whole}.{rest:0{exponent}} {currency.upper()}"
        if exponent
        else f"{whole} {currency.upper()}"
    )
