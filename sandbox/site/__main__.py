"""`make docs`: the site of this version, beside those of the versions built before."""

import json
import os
import subprocess
import sys
from pathlib import Path

from celeriac import __version__

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".local" / "site"
MKDOCS = ROOT / ".local" / "tools" / "bin" / "mkdocs"
_AWAY = '<!doctype html><meta http-equiv="refresh" content="0; url={version}/index.html">\n'


def main() -> int:
    """Build the site; a warning is an error. Return the exit code."""
    version = ".".join(__version__.split(".")[:2])
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [str(MKDOCS), "build", "--strict", "--site-dir", str(SITE / version)]
    if (done := subprocess.run(command, cwd=ROOT, env=env).returncode) != 0:
        return done
    list_versions(SITE, newest=version)
    print(f"The site is in {SITE.relative_to(ROOT)}: open {version}/index.html there, or serve it")
    return 0


def list_versions(site: Path, *, newest: str) -> None:
    """Write what the switch of versions reads, and the way from the root to the newest."""
    built = [path.parent.name for path in site.glob("*/index.html")]
    ordered = sorted(built, key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    named = [
        {"version": each, "title": each, "aliases": ["latest"] if each == newest else []}
        for each in ordered
    ]
    (site / "versions.json").write_text(json.dumps(named, indent=2) + "\n")
    (site / "index.html").write_text(_AWAY.format(version=newest))


if __name__ == "__main__":
    sys.exit(main())
