"""What a page of docs/ links to outside of it comes along in the site: pages and sources.

MkDocs loads this file by its path, in an environment of its own.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")


def _target(page: str, link: str) -> str:
    """Return the path of a link from the root of the clone."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _in_site(path: str) -> str:
    """Return where a file of the clone stands in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_dir():
        return "about/layout.md"
    return f"about/{path.lower()}" if path.endswith(".md") else f"source/{path}.txt"


def _rewritten(page: str, text: str) -> str:
    """Return a page's text with its links to the places in the site."""

    def relative(match: re.Match[str]) -> str:
        wanted = _in_site(_target(page, match[1]))
        return posixpath.relpath(wanted, posixpath.dirname(_in_site(page)) or ".")

    return _LINK.sub(relative, text)


def _linked(page: str, text: str, found: dict[str, str]) -> None:
    """Add the files outside of docs/ that a page links to, and what those link to."""
    for link in _LINK.findall(text):
        path = _target(page, link)
        if path.startswith("docs/") or path in found or not (ROOT / path).is_file():
            continue
        found[path] = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".md"):
            _linked(path, found[path], found)


def on_files(files: Any, config: Any) -> Any:
    """Add what the pages link to outside of docs/."""
    from mkdocs.structure.files import File

    found: dict[str, str] = {}
    for page in ROOT.joinpath("docs").rglob("*.md"):
        name = page.relative_to(ROOT).as_posix()
        _linked(name, page.read_text(encoding="utf-8"), found)
    for path, text in sorted(found.items()):
        body = _rewritten(path, text) if path.endswith(".md") else text
        files.append(File.generated(config, _in_site(path), content=body))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point the links of a page of docs/ to where the site has their targets."""
    own = page.file.src_uri
    return markdown if own.startswith("about/") else _rewritten(f"docs/{own}", markdown)


def on_config(config: Any) -> Any:
    """Order the pages as the shelves of docs/README.md do; decisions stand below the last."""
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    nav: list[Any] = ["README.md"]
    for shelf in text.split("\n## ")[1:]:
        title, _, lines = shelf.partition("\n")
        paths = [_in_site(_target("docs/README.md", link)) for link in _LINK.findall(lines)]
        nav.append({title: list(dict.fromkeys(paths))})
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    nav.append({"Decisions": [f"decisions/{record.name}" for record in records]})
    config["nav"] = nav
    return config
