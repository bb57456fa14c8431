"""A pattern that finds a secret however a library has written it. Pure: no Django.

Errors quote what was sent as it was sent: in a URL or a form, in JSON, in HTML, as the repr of a
text or of bytes, in base64 or hex, in a mail, or in one of these inside another. Letters and digits
stay as they are in all of them but base64 and hex; every other character may stand in any of its
forms.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from html.entities import codepoint2name
from urllib.parse import quote, quote_plus

#: Shorter values are redacted as whole words only: "12" is part of too much.
_SHORT = 4
#: Characters of base64 that are too few to mean one value.
_FEW = 6
#: Lines of a secret, such as a key's, that are long enough to be one of their own.
_LINE = 12
#: What clients encode text with.
_ENCODINGS = ("utf-8", "latin-1")
_NAMED = {"\n": r"\\+n", "\r": r"\\+r", "\t": r"\\+t", " ": r"[+_]", "'": "''", '"': '""'}
#: Characters that one pattern spells in all their forms: each takes more than a millisecond.
_SPELLED = 1_000


@dataclass(frozen=True, slots=True)
class SecretFinder:
    """What finds secrets: texts as they stand, the longest first, and a pattern of the others."""

    whole: tuple[str, ...]
    spelled: re.Pattern[str] | None

    def sub(self, mask: str, text: str) -> str:
        """Return the text with each secret redacted in each of its forms."""
        for form in self.whole:
            text = text.replace(form, mask)
        return self.spelled.sub(mask, text) if self.spelled else text


@lru_cache(maxsize=128)
def secret_finder(secrets: frozenset[str]) -> SecretFinder:
    """Return what finds each of the secrets in each of its forms.

    It takes milliseconds to make, hence the cache, and why it is made when a text is shown. What
    is long, or one of many, is sought as the usual writers write it, which takes no longer.
    """
    shortest_first = sorted(_with_lines(secrets), key=lambda secret: (len(secret), secret))
    patterns: list[str] = []
    whole: set[str] = set()
    left = _SPELLED
    for secret in shortest_first:
        left -= sum(not _is_plain(letter) for letter in secret)
        if left >= 0 or len(secret) < _SHORT:
            patterns[:0] = _forms(secret)
        else:
            whole.update(_whole_forms(secret))
    spelled = re.compile("|".join(patterns)) if patterns else None
    return SecretFinder(tuple(sorted(whole, key=lambda form: (-len(form), form))), spelled)


def _with_lines(secrets: Iterable[str]) -> set[str]:
    """Return the secrets, without the blanks around them that clients strip, and their lines."""
    lines = {line for secret in secrets for line in secret.splitlines() if len(line) >= _LINE}
    stripped = {secret.strip() for secret in secrets} - {""}
    return {*secrets, *stripped, *lines}


def _forms(secret: str) -> Iterator[str]:
    spelled = "".join(map(_written, secret))
    if len(secret) < _SHORT:
        yield rf"(?<!\w){spelled}(?!\w)"
        return
    yield spelled
    for text in _encoded(secret):
        yield text.replace("+", "(?:[-+]|%(?:25)*2[bB])").replace(
            "/", r"(?:_|/|\\+/|%(?:25)*2[fF])"
        )


def _whole_forms(secret: str) -> Iterator[str]:
    """Yield a long secret as the usual writers write it, each by itself."""
    encoded = set(_encoded(secret))
    encoded |= {text.replace("+", "-").replace("/", "_") for text in encoded}
    yield from (*_writings(secret), *encoded)


def _writings(secret: str) -> list[str]:
    written = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    written += [json.dumps(each)[1:-1] for each in written]
    written += [repr(secret)[1:-1], repr(secret.encode("utf-8", "replace"))[2:-1]]
    written += [html.escape(secret), *(to(secret, errors="replace") for to in (quote, quote_plus))]
    return list(dict.fromkeys((secret, quote(secret, safe="", errors="replace"), *written)))


def _encoded(secret: str) -> Iterator[str]:
    """Yield it in base64 and hex: as it is, and as a part of JSON or of a form."""
    form = quote_plus(secret, errors="replace")
    texts = [secret, form, *(json.dumps(secret, ensure_ascii=pure)[1:-1] for pure in (True, False))]
    encoded = {text.encode(encoding, "replace") for text in texts for encoding in _ENCODINGS}
    for each in sorted(encoded):
        yield from _base64(each)
        if len(each) >= _SHORT:
            yield from {each.hex(), each.hex().upper()}


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _written(letter: str) -> str:
    """Return a pattern of one character in each of its forms, also one inside another."""
    if _is_plain(letter):
        return letter
    return f"(?:{'|'.join(dict.fromkeys(_spellings(letter)))})"


def _spellings(letter: str) -> Iterator[str]:
    code = ord(letter)
    if letter in _NAMED:
        yield _NAMED[letter]
    yield rf"\\*{re.escape(letter)}"  # as it is, or behind the backslash of a string
    for encoding in _ENCODINGS:
        bytes_ = letter.encode(encoding, "replace")
        yield "".join(f"(?:%(?:25)*|=)(?i:{byte:02x})" for byte in bytes_)  # URL, form, mail
        yield "".join(rf"\\+x(?i:{byte:02x})" for byte in bytes_)  # bytes
    if not letter.isascii():  # UTF-8 that was read as Latin-1
        misread = letter.encode("utf-8", "replace").decode("latin-1")
        yield "".join(rf"(?:{re.escape(each)}|\\+u00(?i:{ord(each):02x}))" for each in misread)
    utf16 = letter.encode("utf-16-be", "surrogatepass")
    pairs = [utf16[at : at + 2].hex() for at in range(0, len(utf16), 2)]
    yield "".join(rf"\\+u(?i:{pair})" for pair in pairs)  # JSON
    yield rf"\\+U(?i:{code:08x})"
    yield rf"&(?:amp;)*#(?:0*{code}|[xX]0*(?i:{code:x}));"  # HTML
    name = "apos" if letter == "'" else codepoint2name.get(code)
    if name:
        yield f"&(?:amp;)*{name};"


def _base64(secret: bytes) -> Iterator[str]:
    """Yield what base64 makes of it, alone and behind one or two more bytes, such as a user's name.

    Only the characters that no neighbour has a share in.
    """
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode()
        shared = (0, 2, 3)[before]
        tail = (0, 3, 2)[(before + len(secret)) % 3]
        core = text[shared : len(text) - tail]
        if len(core) >= _FEW:
            yield core
