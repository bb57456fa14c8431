"""Leaving out of a file what stands between `# here only:` and `# to here`."""

import re
from collections.abc import Iterable
from pathlib import Path

_BEGINS = re.compile(r"^\s*# here only:.*$")
_ENDS = re.compile(r"^\s*# to here$")
_LINE = re.compile(r"\s# here only$")


class CutError(Exception):
    """A file is not as it must be to be made bare; the message names it."""


def cut_file(name: str, file: Path) -> str:
    """Return a file's text without what is of this clone alone; raises CutError."""
    kept, begun = [], 0
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if _BEGINS.match(line):
            if begun:
                raise CutError(f"{name}:{number} begins within what began at line {begun}.")
            begun = number
        elif _ENDS.match(line):
            if not begun:
                raise CutError(f"{name}:{number} ends what did not begin.")
            begun = 0
        elif not begun and not _LINE.search(line):
            kept.append(line)
    if begun:
        raise CutError(f"{name}:{begun} begins what does not end: add a line `# to here`.")
    return "\n".join([*kept, ""])


def replace_once(name: str, text: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return a text with pairs replaced, first by second; raises CutError for one not there."""
    for old, new in pairs:
        if text.count(old) != 1:
            raise CutError(f"{name} has {text.count(old)} times, not once: {old.strip()}")
        text = text.replace(old, new)
    return text
