"""Running the examples in docs/examples as they stand."""

import shutil
import subprocess
import sys

from tests.support.servers import ROOT

EXAMPLES = ROOT / "docs" / "examples"


def examples():
    """Return the command of each example that can run here, by its language."""
    commands = {
        "curl": [EXAMPLES / "enqueue.sh"],
        "Python": [sys.executable, EXAMPLES / "client.py"],
        "JavaScript": ["node", EXAMPLES / "client.mjs"],
    }
    if shutil.which("node") is None:
        del commands["JavaScript"]
    return commands


def run_example(*command, **env):
    """Run an example to its end; return the words that it printed."""
    done = end_example(*command, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def end_example(*command, **env):
    """Run an example to its end, however that is."""
    return subprocess.run(
        [str(part) for part in command],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "NO_PROXY": "*", **env},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
