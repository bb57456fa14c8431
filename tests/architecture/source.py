"""The repository's own files, for the tests of its rules."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def tracked_files():
    """Return every text file that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in sorted(set(listed.splitlines()))]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


def python_files():
    """Return every Python file but migrations."""
    return [p for p in tracked_files() if p.suffix == ".py" and "migrations" not in p.parts]


def functions(path):
    """Yield every function of a file with its length in lines, decorators aside."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def imports(path):
    """Yield the full name of every module that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
