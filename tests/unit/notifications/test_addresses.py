"""One spelling for each address."""

import pytest
from hypothesis import given, strategies as st

from apps.notifications.addresses import normalise_address
from apps.notifications.errors import InvalidRecipients


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("anna@shop.example", "anna@shop.example"),
        ("  Anna@Shop.EXAMPLE\n", "anna@shop.example"),
        ("Anna Smith <anna@shop.example>", "anna@shop.example"),
        ('"Smith, Anna" <Anna@shop.example>', "anna@shop.example"),
        ("<anna@shop.example>", "anna@shop.example"),
        ("anna@shop.example.", "anna@shop.example"),
        ('"anna"@shop.example', "anna@shop.example"),
        ("anna@MÜNCHEN.example", "anna@xn--mnchen-3ya.example"),
        ("anna@mu\u0308nchen.example", "anna@xn--mnchen-3ya.example"),
        ("anna@XN--MNCHEN-3YA.example", "anna@xn--mnchen-3ya.example"),
        ("anna@\uff53hop\u3002example", "anna@shop.example"),
        ("anna@faß.example", "anna@xn--fa-hia.example"),
        ("anna@[127.0.0.1]", "anna@[127.0.0.1]"),
        ('"anna+tag"@shop.example', "anna+tag@shop.example"),
        ('"an_na"@shop.example', "an_na@shop.example"),
    ],
)
def test_every_spelling_of_an_address_is_kept_as_one(written, kept):
    """Names, brackets, quotes, case, and the two forms of a domain."""
    assert normalise_address(written) == kept
    assert normalise_address(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        "anna",
        "anna@",
        "@shop.example",
        "anna@shop",
        "anna@shop..example",
        "a@shop.example, b@shop.example",
        "Anna <a@shop.example> <b@shop.example>",
        "anna@shop.example\nBcc: all@shop.example",
        "anna\r\n@shop.example",
        "an\x00na@shop.example",
        "änna@shop.example",
        f"{'a' * 65}@shop.example",
        "anna@\u0301x.example",
        "anna@xn--\u00fc.example",
        f"{'a' * 60}@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 63}.example",
    ],
)
def test_what_is_no_address_is_refused(written):
    """Headers hidden in it above all."""
    with pytest.raises(InvalidRecipients):
        normalise_address(written)


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Z.]{1,5}@[a-zü.ß]{1,9}\.example"))
def test_a_kept_address_stays_as_it_is(written):
    """Or it is refused; nothing else is raised."""
    try:
        kept = normalise_address(written)
    except InvalidRecipients:
        return
    assert normalise_address(kept) == kept
    assert kept.isascii()
    assert not set(kept) & set("\r\n\t <>,")
