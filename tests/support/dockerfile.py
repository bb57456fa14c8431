"""What `docker build` would do with the repository, read without Docker.

The rules are those of moby's pattern matcher and of BuildKit's COPY; where a form is not known
here, reading fails instead of guessing.
"""

import json
import re
import shlex
import shutil
from pathlib import PurePosixPath

from tests.support.servers import ROOT


def instructions(text):
    """Return a Dockerfile's instructions as (name, rest), continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\s*\n", " ", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1]) for line in lines]


def copies(text):
    """Return what a Dockerfile takes from the build's context, as (sources, destination)."""
    found = []
    for name, rest in instructions(text):
        assert "--mount" not in rest, "a bind mount takes files, too: teach it to this reader"
        if name not in ("COPY", "ADD"):
            continue
        flags = re.findall(r"^(?:--\S+\s+)+", rest)
        if flags and "--from=" in flags[0]:
            continue
        rest = rest.removeprefix(flags[0] if flags else "")
        parts = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        assert not any(set(part) & set("*?[$<") for part in parts), rest
        found.append((parts[:-1], parts[-1]))
    return found


class Ignored:
    """A .dockerignore: the last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, text):
        """Read the patterns, as moby's ignorefile does."""
        self.rules = []
        for line in text.removeprefix("\ufeff").splitlines():
            line = line.strip() if not line.startswith("#") else ""
            if not line:
                continue
            negated = line.startswith("!")
            pattern = str(PurePosixPath(line.removeprefix("!").strip())).lstrip("/")
            self.rules.append((negated, re.compile(translated(pattern))))

    def admits(self, path):
        """Say whether the build sees a path of the context."""
        places = [path, *(str(up) for up in PurePosixPath(path).parents if str(up) != ".")]
        admitted = True
        for negated, pattern in self.rules:
            if any(pattern.fullmatch(place) for place in places):
                admitted = negated
        return admitted


def translated(pattern):
    """Return a pattern as a regular expression: `**` crosses folders, `*` and `?` do not."""
    out = ""
    for token in re.findall(r"\*\*/?|\*|\?|\[[^\]]*\]|\\.|.", pattern):
        if token == "**/":
            out += r"(?:.*/)?"
        elif token == "**":
            out += ".*"
        elif token == "*":
            out += "[^/]*"
        elif token == "?":
            out += "[^/]"
        elif token[0] == "[":
            out += token
        else:
            out += re.escape(token.removeprefix("\\"))
    return out


def context(dockerfile, ignored):
    """Return the files of a tree, by path, that end in the image: admitted and copied."""
    sources = [source.rstrip("/") for names, _ in copies(dockerfile) for source in names]
    return lambda path: (
        ignored.admits(path)
        and any(source in (".", path) or path.startswith(f"{source}/") for source in sources)
    )


def build_tree(directory):
    """Make the final stage's working directory as COPY would, under a directory."""
    text = (ROOT / "Dockerfile").read_text()
    ignored = Ignored((ROOT / ".dockerignore").read_text())
    final = text.rpartition("\nFROM ")[2]

    def left_out(folder, names):
        place = PurePosixPath(folder).relative_to(ROOT)
        return [name for name in names if not ignored.admits(str(place / name))]

    for sources, destination in copies("FROM " + final):
        for source in sources:
            origin = ROOT / source
            if origin.is_dir():
                shutil.copytree(origin, directory / destination, ignore=left_out)
            else:
                shutil.copy(origin, directory / destination)
