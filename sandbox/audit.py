"""`make audit`: known weaknesses of the pinned packages, asked of a public advisory database.

Exit code 0: every package was looked up and none is known to be weak. 1: some are, listed here.
2: some, or all, could not be looked up, so nothing is proven; where no database can be reached
(a network of its own, no network at all), it says so.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from celeriac.core.printing import escape_unprintable

ROOT = Path(__file__).resolve().parent.parent
PINNED = sorted((ROOT / "requirements").glob("*.txt"))
#: Seconds that one answer of the database may take, and all of them.
TIMEOUT, PATIENCE = 10, 600


def main(files: Iterable[Path] = PINNED) -> int:
    """Audit the files with pip-audit, print what it found, and return the exit code."""
    escape_unprintable()
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    command += ["--disable-pip", "--require-hashes", f"--timeout={TIMEOUT}"]
    command += [f"--requirement={file}" for file in files]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        print((done.stderr.strip().splitlines() or ["pip-audit said nothing."])[-1])
        packages = []
    code, lines = judge(packages)
    print("\n".join(lines))
    return code


def judge(packages: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return the exit code, and lines for people, of pip-audit's list of packages."""
    audited = [package for package in packages if "vulns" in package]
    skipped = sorted({package["name"] for package in packages if "vulns" not in package})
    if not audited:
        return 2, ["No advisory database can be reached from here: nothing was audited."]
    weak = sorted(
        {
            f"{package['name']} {package['version']}: {found['id']}, "
            f"mended in {', '.join(found['fix_versions']) or 'no release yet'}"
            for package in audited
            for found in package["vulns"]
        }
    )
    lines = [*weak, f"{len({package['name'] for package in audited})} pinned packages audited."]
    if skipped:
        lines.append(f"Not in the database, so not audited: {', '.join(skipped)}.")
    return (1 if weak else 2 if skipped else 0), lines


if __name__ == "__main__":
    sys.exit(main())
