"""The image, without Docker: what it copies is there, it needs no more, and it starts."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from tests.support.dockerfile import Ignored, build_tree, context, copies, instructions
from tests.support.servers import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = Ignored((ROOT / ".dockerignore").read_text())
COPIED = [source for sources, _ in copies(DOCKERFILE) for source in sources]


def tree():
    """Return every file that git knows, and some that lie about on a laptop."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    strays = [".env", "config/.env", "apps/.env.production", ".git/config", ".local/admin-password"]
    built = [
        "celeriac/jobs/__pycache__/states.cpython-313.pyc",
        ".venv/bin/python",
        "staticfiles/x.css",
    ]
    return [*listed.stdout.split("\n")[:-1], *strays, *built]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_exists_and_is_admitted(source):
    """Else the build ends there."""
    assert (ROOT / source).exists()
    assert IGNORED.admits(source.rstrip("/"))


def test_nothing_else_of_the_tree_is_admitted():
    """What is not copied need not be sent to the builder: secrets above all."""
    is_in_the_image = context(DOCKERFILE, IGNORED)
    admitted = [path for path in tree() if IGNORED.admits(path)]
    assert [path for path in admitted if not is_in_the_image(path)] == []
    assert [path for path in admitted if re.search(r"(^|/)\.|\.pyc$", path)] == []
    assert {"manage.py", "flowerconfig.py", "config/web.py", "celeriac/jobs/states.py"} <= set(
        admitted
    )


@pytest.mark.parametrize(
    ("patterns", "admitted", "kept_out"),
    [
        ("*\n!a", ["a", "a/b/c"], ["b", "b/a"]),
        ("*\n!a/b.txt", ["a/b.txt"], ["a/c", "a"]),
        ("**/*.pyc\n**/x", ["a.py"], ["b.pyc", "a/b.pyc", "x", "a/x/y"]),
        ("# a\n\n/a\n b ", ["c/a"], ["a", "b"]),
        ("a?c\nd[ef]", ["ac", "a/c", "dg"], ["abc", "de"]),
        ("a\n!a/b\na/b/c", ["a/b", "a/b/d"], ["a", "a/x", "a/b/c"]),
    ],
)
def test_the_reader_knows_dockers_patterns(patterns, admitted, kept_out):
    """Or it would prove nothing."""
    ignored = Ignored(patterns)
    assert [path for path in admitted if not ignored.admits(path)] == []
    assert [path for path in kept_out if ignored.admits(path)] == []


def run_in(directory, arguments, **env):
    """Run this Python in the image's tree, with the image's environment and nothing of ours."""
    image = {
        name: value
        for instruction, rest in instructions(DOCKERFILE)
        if instruction == "ENV"
        for name, value in re.findall(r"(\w+)=(\S+)", rest)
        if name != "PATH"
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory, env={**image, "HOME": "/nonexistent", "PATH": os.environ["PATH"], **env},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_image_collects_its_static_files_and_its_web_server_starts(tmp_path):
    """From what was copied alone: the RUN line as it stands, then CMD with gunicorn's own check."""
    build_tree(tmp_path)
    (line,) = [
        rest for name, rest in instructions(DOCKERFILE) if name == "RUN" and "manage" in rest
    ]
    values = dict(re.findall(r"(\w+)=(\S+)", line))
    done = run_in(tmp_path, shlex.split(line.partition("python ")[2]), **values)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "staticfiles" / "staticfiles.json").exists()
    (command,) = [yaml.safe_load(rest) for name, rest in instructions(DOCKERFILE) if name == "CMD"]
    assert command[0] == "python"
    shown = run_in(tmp_path, [*command[1:], "--print-config"], **values, WEB_CONCURRENCY="")
    assert shown.returncode == 0, shown.stderr
    config = dict(re.findall(r"^(\w+) += (.*)$", shown.stdout, re.MULTILINE))
    assert config["bind"] == "['0.0.0.0:8000']"
    assert config["threads"] == "4"
    assert int(config["workers"]) >= 3
