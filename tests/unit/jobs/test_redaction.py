"""What a kind declares secret is redacted, and so is its value wherever it turns up."""

import base64
import html
import json
import quopri
import re
import time
from urllib.parse import quote, quote_plus

import pytest
from django.utils.html import json_script
from hypothesis import given, settings, strategies as st

from celeriac.django_tasks.kinds import CallSchema
from celeriac.jobs import registry
from celeriac.jobs.enqueueing import searching
from celeriac.jobs.redaction import MASK, OPEN, redactor_for, redactor_of
from celeriac.jobs.registry import Kind
from celeriac.jobs.schema import Schema
from tests.app.tasks import add


def handler(card: str, amount: int = 0, customer: dict[str, object] | None = None) -> None:
    """Take what may be secret."""


def kind(**policy):
    """Return a kind that is not declared."""
    return Kind(name="unit.kind", handler=handler, schema=Schema.of(handler), **policy)


ARGS = {"card": "4242-4242", "amount": 12, "customer": {"email": "a@b.example", "name": "Ada"}}


def test_a_kind_without_secrets_shows_all():
    """And costs nothing: it is the same veil for all of them."""
    assert redactor_of(kind(), ARGS) is OPEN
    assert OPEN.args(ARGS) == ARGS
    assert OPEN.text("4242-4242") == "4242-4242"


def test_arguments_and_places_in_them_are_masked():
    """What is not named is shown."""
    hidden = redactor_of(kind(redact=("card", "customer.email")), ARGS)
    assert hidden.args(ARGS) == {
        "card": MASK,
        "amount": 12,
        "customer": {"email": MASK, "name": "Ada"},
    }
    assert ARGS["card"] == "4242-4242"


def test_a_named_argument_with_parts_keeps_its_shape():
    """Every part of it is redacted."""
    hidden = redactor_of(kind(redact=("customer",)), ARGS)
    assert hidden.args(ARGS)["customer"] == {"email": MASK, "name": MASK}


def test_values_are_masked_in_results_and_texts():
    """As they are, in JSON, in a repr and in a URL."""
    args = {"card": 'a"b/c d'}
    hidden = redactor_of(kind(redact=("card",)), args)
    for text in ('a"b/c d', 'a\\"b/c d', "a%22b%2Fc%20d"):
        assert hidden.text(f"it said {text}!") == f"it said {MASK}!"
    assert hidden.result({"echo": 'got a"b/c d', "card": 7, "n": [1, {"card": None}]}) == {
        "echo": f"got {MASK}",
        "card": MASK,
        "n": [1, {"card": None}],
    }


def test_short_values_are_masked_as_whole_words():
    """A CVC of 123 does not tear holes into every number."""
    hidden = redactor_of(kind(redact=("amount",)), ARGS)
    assert hidden.text("12 of 1234, 12") == f"{MASK} of 1234, {MASK}"


def test_a_result_is_masked_by_place_or_as_a_whole():
    """`result.token`, or `result`."""
    assert redactor_of(kind(redact=("result.token",)), ARGS).result({"token": "t", "n": 1}) == {
        "token": MASK,
        "n": 1,
    }
    assert redactor_of(kind(redact=("result",)), ARGS).result("all of it") == MASK
    assert redactor_of(kind(redact=("result",)), ARGS).result(None) is None


def test_arguments_by_place_are_masked_by_their_values():
    """A function of Django's Tasks API may be called by position."""
    policy = {"redact": ("b",), "search": ("a",)}
    call = Kind(name="unit.add", handler=handler, schema=CallSchema(add), **policy)
    for secret in ("hunter2", 4711):
        args = {"args": [1, secret], "kwargs": {}}
        assert redactor_of(call, args).args(args) == {"args": [1, MASK], "kwargs": {}}
        args = {"args": [1], "kwargs": {"b": secret}}
        assert redactor_of(call, args).args(args) == {"args": [1], "kwargs": {"b": MASK}}
        assert redactor_of(call, args).text(f"no {secret}!") == f"no {MASK}!"
        assert searching.terms_of_args(call, call.schema.named(args)) == [("a", "1")]


def test_arguments_that_no_longer_fit_are_secret_altogether():
    """An older deploy enqueued them; which of them is secret, nobody can say."""
    call = Kind(name="unit.add", handler=handler, schema=CallSchema(add), redact=("b",))
    args = {"args": [1, 2, "hunter2"], "kwargs": {}}
    assert "hunter2" not in str(redactor_of(call, args).args(args))
    assert redactor_of(call, args).text("hunter2") == MASK


def test_of_a_kind_that_nobody_declares_every_argument_is_secret():
    """Names are shown, values are not."""
    hidden = redactor_for("unit.undeclared", {"card": "4242-4242", "more": [1, "two"]})
    assert hidden.args({"card": "4242-4242", "more": [1, "two"]}) == {
        "card": MASK,
        "more": MASK,
    }
    assert hidden.text("declined 4242-4242") == f"declined {MASK}"


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        ({"redact": ("crad",)}, "names crad"),
        ({"redact": "card"}, "give a tuple"),
        ({"search": ("carrd",)}, "names carrd"),
        ({"redact": ("card",), "search": ("card",)}, "search= would show card"),
        ({"redact": ("card",), "lock": "card:{card}"}, "lock= would show card"),
        ({"redact": ("card",), "unique": "card:{card}"}, "unique= would show card"),
    ],
)
def test_a_declaration_that_would_not_hide_is_refused(policy, complaint):
    """At import, not at the first leak."""
    with pytest.raises(ValueError, match=complaint):
        kind(**policy)
    assert registry.get_kind("unit.kind") is None


SECRET = "p@ss/wörd+&<\"'> 100%\\ = s€cret"
FORMS = {
    "plain": str,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "latin": lambda text: repr(text.replace("€", "").encode("latin-1")),
    "json": json.dumps,
    "json of letters": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps({"card": text})),
    "token": lambda text: base64.b64encode(json.dumps({"card": text}).encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "mail": lambda text: quopri.encodestring(text.encode()).decode().replace("=\n", ""),
    "sql": lambda text: text.replace("'", "''").replace('"', '""'),
    "url": lambda text: quote(text, safe=""),
    "path": quote,
    "lower": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
    "form": quote_plus,
    "url in url": lambda text: quote(quote(text, safe=""), safe=""),
    "html": html.escape,
    "html in html": lambda text: html.escape(html.escape(text)),
    "entities": lambda text: "".join(
        f"&#{ord(letter)};" if letter in "<>&€" else letter for letter in text
    ),
    "script": lambda text: str(json_script(text)),
    "repr of json": lambda text: repr(json.dumps({"card": text})),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in a url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "basic of another": lambda text: base64.b64encode(f"users:{text}".encode()).decode(),
    "basic and more": lambda text: base64.b64encode(f"user1:{text}:more".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_any_form_that_a_library_gives_it(form):
    """Nothing of it is left, in whatever it is wrapped."""
    secret = SECRET.replace("€", "") if form == "latin" else SECRET
    hidden = redactor_of(kind(redact=("card",)), {"card": secret})
    shown = hidden.text(f"<<{FORMS[form](secret)}>>")
    assert MASK in shown
    assert not re.search("(?i)ss.*rd|cret|cGBzcy|w.rd", shown.replace(MASK, ""))


@settings(deadline=None)  # a pattern takes as long to make as the machine is busy
@given(st.text(min_size=4, max_size=40), st.sampled_from(sorted(FORMS.keys() - {"latin"})))
def test_any_secret_is_found_in_any_form(secret, form):
    """And the pattern can always be made."""
    secret = secret.encode("utf-8", "replace").decode()
    hidden = redactor_of(kind(redact=("card",)), {"card": secret})
    written = FORMS[form](secret)
    assert MASK in hidden.text(written) or len(secret.encode()) < 6


def test_the_lines_of_a_key_are_secret_each():
    """An error may quote one of them."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\nw0BAQEFAASCBKcwggSj\n-----END KEY-----"
    hidden = redactor_of(kind(redact=("card",)), {"card": key})
    assert "w0BAQ" not in hidden.text("bad line 3: 'w0BAQEFAASCBKcwggSj'")


def test_what_merely_looks_alike_is_shown():
    """A mask that hides too much hides the error."""
    hidden = redactor_of(kind(redact=("card",)), {"card": "4242-4242"})
    for text in ("4242 4242", "42424242", "4242", "4242%204242", "NDI0Mg=="):
        assert hidden.text(text) == text


def test_a_long_secret_is_found_without_delay():
    """Spelled out letter by letter, this one took minutes of a page's time."""
    secret = "word/ö" * 20_000
    hidden = redactor_of(kind(redact=("card",)), {"card": secret})
    began = time.process_time()
    for form in ("plain", "json", "url", "base64", "html"):
        written = {"plain": str, **FORMS}[form](secret)
        assert len(hidden.text(written)) < 60
    assert time.process_time() - began < 5


def test_blanks_around_a_secret_may_be_stripped():
    """A file ends with a line's end, which clients leave out."""
    hidden = redactor_of(kind(redact=("card",)), {"card": "hunter2x\n"})
    assert hidden.text("no user 'hunter2x'") == f"no user '{MASK}'"
