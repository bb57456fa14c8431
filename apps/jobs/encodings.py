"""A pattern that finds a secret however a library has written it. Pure: no Django.

Errors quote what was sent as it was sent: in a URL or a form, in JSON, in HTML, as the repr of a
text or of bytes, in base64, or in one of these inside another. Letters and digits stay as they
are in all of them but base64; every other character may stand in any of its forms.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from html.entities import codepoint2name

#: Shorter values are masked as whole words only: "12" is part of too much.
_SHORT = 4
#: Characters of base64 that are too few to mean one value.
_FEW = 6
#: Lines of a secret, such as a key's, that are long enough to be one of their own.
_LINE = 12
#: What clients encode text with.
_ENCODINGS = ("utf-8", "latin-1")
_NAMED = {"\n": r"\\+n", "\r": r"\\+r", "\t": r"\\+t", " ": r"\+"}


@lru_cache(maxsize=128)
def pattern(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Return what matches each of the secrets in each of its forms; None where there are none.

    It takes milliseconds to make, hence the cache, and why it is made when a text is shown.
    """
    longest_first = sorted(_with_lines(secrets), key=lambda secret: (-len(secret), secret))
    if not longest_first:
        return None
    return re.compile("|".join(form for secret in longest_first for form in _forms(secret)))


def _with_lines(secrets: Iterable[str]) -> set[str]:
    lines = {line for secret in secrets for line in secret.splitlines() if len(line) >= _LINE}
    return {*secrets, *lines}


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < _SHORT:
        yield rf"(?<!\w){re.escape(secret)}(?!\w)"
        return
    yield "".join(map(_written, secret))
    for encoding in _ENCODINGS:
        yield from _base64(secret.encode(encoding, "replace"))


def _written(letter: str) -> str:
    """Return a pattern of one character in each of its forms, also one inside another."""
    if letter.isascii() and letter.isalnum():
        return letter
    return f"(?:{'|'.join(dict.fromkeys(_spellings(letter)))})"


def _spellings(letter: str) -> Iterator[str]:
    code = ord(letter)
    yield rf"\\*{re.escape(letter)}"  # as it is, or behind the backslash of a string
    if letter in _NAMED:
        yield _NAMED[letter]
    for encoding in _ENCODINGS:
        bytes_ = letter.encode(encoding, "replace")
        yield "".join(f"%(?:25)*(?i:{byte:02x})" for byte in bytes_)  # URL and form
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
            yield core.replace("+", "(?:[-+]|%(?:25)*2[bB])").replace(
                "/", r"(?:_|/|\\+/|%(?:25)*2[fF])"
            )
