"""Commands on a terminal whose encoding lacks what they print."""

import io
import subprocess
import sys

from celeriac.core.printing import escape_unprintable
from celeriac.jobs.enqueueing import queues
from tests.factories import JobFactory
from tests.support.servers import ROOT

#: One process for all: `manage.py` sets Django up in the same way.
EVERY = """
import sys, django
django.setup()
from django.core.management import call_command
for words in (["jobs", "show", sys.argv[1]], ["jobs", "list"], ["jobs", "stats"],
              ["queues", "list"], ["breakers", "list"], ["schedules", "list"],
              ["schedules", "next"], ["jobs", "show", sys.argv[1], "--json"], ["doctor"]):
    print("#", *words)
    try:
        call_command(*words)
    except SystemExit:
        pass
"""


def test_every_command_prints_what_it_has_to_say(transactional_db, process_env):
    """A job's text, a pause's reason, the arrow before what to do: escaped where they don't fit."""
    queues.make_queue_rows()
    job = JobFactory(args={"name": "Ådä → 日本"}, error="Grüße →", state="dead")
    done = subprocess.run(
        [sys.executable, "-c", EVERY, str(job.id)],
        cwd=ROOT,
        env={**process_env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    text = done.stdout.decode("ascii")
    assert "# doctor" in text
    assert "\\u2192" in text
    assert "\\u65e5" in text


def test_a_stream_that_says_what_to_do_is_left_alone():
    """Only one that would raise is changed."""
    strict = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    replacing = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    escape_unprintable(strict, replacing, io.StringIO())
    assert (strict.errors, replacing.errors) == ("backslashreplace", "replace")
