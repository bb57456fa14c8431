"""`make release`: builds and checks a release; RELEASING.md says what it does.

Dry by default: only `--really` writes the version and the change log, commits and tags.
"""

import argparse
import datetime
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from celeriac.core.printing import escape_unprintable

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".local" / "release"
TOOLS = ROOT / ".local" / "tools" / "bin"
VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_DOOR, _LOG = Path("celeriac/__init__.py"), Path("CHANGELOG.md")
_SHAPE = re.compile(r"\d+\.\d+\.\d+")


class Refused(Exception):
    """A release that must not be; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Build, check and tell; with --really commit and tag too. Return the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version", nargs="?", help="such as 0.2.0; else the one that stands")
    parser.add_argument("--really", action="store_true", help="write, commit and tag")
    chosen = parser.parse_args(arguments)
    escape_unprintable()
    try:
        release(chosen.version, really=chosen.really)
    except Refused as refusal:
        print(f"No release: {refusal}", file=sys.stderr)
        return 1
    return 0


def release(wished: str | None, *, really: bool) -> None:
    """Make everything that a release has; Refused where one must not be."""
    standing = version_in((ROOT / _DOOR).read_text(encoding="utf-8"))
    version = wished or standing
    section = section_of((ROOT / _LOG).read_text(encoding="utf-8"), version)
    if git("status", "--porcelain"):
        raise Refused("the work tree has changes; commit them first.")
    refuse_old(version, git("tag", "--list", "v*").split())
    source = copy_commit(version)
    files = build(source, version)
    print(f"Celeriac {version}\n\n{section}\n")
    for file in files:
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(ROOT)}")
    if really:
        for name in (_DOOR, _LOG):
            shutil.copy(source / name, ROOT / name)
        git("commit", "--quiet", "--message", f"Release {version}", "--", str(_DOOR), str(_LOG))
        git("tag", "--annotate", "--message", f"Celeriac {version}", f"v{version}")
    print(
        "\nLeft to do:"
        if really
        else "\nDry: nothing was changed. With --really it would, and leave:"
    )
    left = "" if really else f'  git commit --message "Release {version}"; git tag v{version}\n'
    print(f"{left}  git push --follow-tags\n  twine upload {PLACE.relative_to(ROOT)}/dist/*")


def version_in(text: str) -> str:
    """Return the version that a module bears."""
    found = VERSION.search(text)
    if found is None:
        raise Refused(f"{_DOOR} has no version.")
    return found[1]


def section_of(log: str, version: str) -> str:
    """Return the lines of the change log that the release will bear; Refused without one."""
    for title in (version, "Unreleased"):
        found = re.search(
            rf"^## {re.escape(title)}\b[^\n]*\n(.*?)(?=^## |\Z)", log, re.DOTALL | re.MULTILINE
        )
        if found and found[1].strip():
            return found[1].strip()
    raise Refused(f"{_LOG} has no line for {version}.")


def dated(log: str, version: str, day: str) -> str:
    """Return the change log with the section's version and day, and an empty one above it."""
    if re.search(rf"^## {re.escape(version)}\b", log, re.MULTILINE):
        return log
    return log.replace("## Unreleased\n", f"## Unreleased\n\n## {version} ({day})\n", 1)


def refuse_old(version: str, tags: list[str]) -> None:
    """Refuse a version of another shape, or one that is not newer than every tag."""
    if not _SHAPE.fullmatch(version):
        raise Refused(f"{version} is no MAJOR.MINOR.PATCH.")
    known = [tag[1:] for tag in tags if _SHAPE.fullmatch(tag[1:])]
    for tag in known:
        if _numbers(tag) >= _numbers(version):
            raise Refused(f"{version} is not newer than {tag}, which is tagged.")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def copy_commit(version: str) -> Path:
    """Lay out the commit in a folder of its own, with the version and the log of the release."""
    shutil.rmtree(PLACE, ignore_errors=True)
    source = PLACE / "source"
    packed = PLACE / "source.tar"
    PLACE.mkdir(parents=True)
    git("archive", "--output", str(packed), "HEAD")
    with tarfile.open(packed) as archive:
        archive.extractall(source, filter="data")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    door, log = source / _DOOR, source / _LOG
    door.write_text(VERSION.sub(f'__version__ = "{version}"', door.read_text(encoding="utf-8")))
    log.write_text(dated(log.read_text(encoding="utf-8"), version, day), encoding="utf-8")
    return source


def build(source: Path, version: str) -> list[Path]:
    """Build and check the two distributions, and write the bill of materials; return the files."""
    dist = PLACE / "dist"
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source)])
    files = sorted(dist.iterdir())
    run([str(TOOLS / "twine"), "check", "--strict", *map(str, files)])
    bill = PLACE / f"celeriac-{version}.cdx.json"
    pins = ["requirements", str(source / "requirements/base.txt")]
    about = ["--pyproject", str(source / "pyproject.toml"), "--output-format", "JSON"]
    run([str(TOOLS / "cyclonedx-py"), *pins, *about, "--output-file", str(bill)])
    return [*files, bill]


def run(command: list[str]) -> None:
    """Run a command; Refused, with what it said, where it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"{Path(command[0]).name} failed.\n{done.stdout}{done.stderr}")


def git(*arguments: str) -> str:
    """Run git and return what it printed."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
