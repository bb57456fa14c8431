"""Reading README and docs: their blocks of code, and the commands that they name."""

import re
from dataclasses import dataclass

from tests.support.servers import ROOT

PAGES = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
#: Whose every step tests/acceptance/test_newcomer.py does, in order.
WALKED = {"docs/adopt.md", "docs/tutorial.md", "docs/way-back.md"}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PROGRAMS = r"(?:manage\.py|make|celery -|python -m|\.venv/|git |pip |uv |curl |docker )"
_INLINE = re.compile(rf"`({_PROGRAMS}[^`]*)`")
_LINE = re.compile(rf"^({_PROGRAMS}.*?)(?:\s{{2,}}#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a page: which one of its kind, its language, its text."""

    page: str
    number: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.language or 'text'}:{self.number}"


def blocks(language):
    """Return the blocks of a language, page by page."""
    found = []
    for page in PAGES:
        matches = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
        texts = [text for name, text in matches if name == language]
        found += [Block(page, number, language, text) for number, text in enumerate(texts)]
    return found


def commands():
    """Return each command that a page names, in a block or in a sentence, once; not of WALKED."""
    found = {}
    for page in [page for page in PAGES if page not in WALKED]:
        text = (ROOT / page).read_text(encoding="utf-8")
        plain = [each for language, each in _BLOCK.findall(text) if language in ("", "sh")]
        named = [line for each in plain for line in _LINE.findall(each)]
        for command in [*named, *_INLINE.findall(_BLOCK.sub("", text))]:
            found.setdefault(" ".join(command.split()), page)
    return found


def is_commands(text):
    """Say whether a block without a language holds commands, not an example of output."""
    return bool(_LINE.search(text))
