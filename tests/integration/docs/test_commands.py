"""Every command that README and docs name is run, or parsed where running it serves or destroys."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
from io import StringIO

import pytest
from celery.bin.celery import celery
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django_celery_beat.models import PeriodicTask

from celeriac.jobs.enqueueing import queues
from config.celery import app as celery_app
from tests.factories import JobFactory
from tests.integration.payments.conftest import circuits  # noqa: F401 a fixture
from tests.support.pages import blocks, commands, is_commands
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db

OF_MAKE = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS"}
COMMANDS = commands()
#: What is not run here, and why; its words are parsed all the same.
ELSEWHERE = {
    "manage.py dispatcher": "it serves until it is stopped: tests/acceptance/test_dispatcher.py",
    "manage.py celeriac worker mail calls": "it becomes the worker: tests/unit/jobs/test_slots.py",
    "manage.py celeriac scan --json": "its exit code judges: tests/integration/jobs/test_scan.py",
    "manage.py schedules …": "it names the verbs, not one",
}
#: What a placeholder of the pages stands for.
MEANT = {"…": "why", "<queue>": "default", "<name>": "SCHEDULE", "ID": "JOB", "<file>": "x"}
#: Blocks without a language that are no commands.
SHOWN = {"docs/api.md", "docs/callbacks.md", "docs/jobs.md"}


def words(command):
    """Return a command's words, optional parts taken in and placeholders replaced."""
    text = command.replace("[", "").replace("]", "")
    text = text.replace("--kind …", "--kind test.noop")
    text = re.sub(r"(breakers (?:force|clear)) <name>", r"\1 payments", text)
    found = shlex.split(text, comments=True)
    return [MEANT.get(word, word) for word in found]


def of(program):
    """Return the commands of a program."""
    some = [command for command in COMMANDS if words(command)[0] == program]
    return [command for command in some if words(command)[1:] not in ([], ["why"])]


@pytest.fixture
def platform(db, circuits, tmp_path):  # noqa: F811 the fixture above
    """Make the rows and the file that the commands name."""
    stubs = str(tmp_path / "kinds.py")
    call_command("celeriac", "stubs", stubs)
    queues.make_queue_rows()
    call_command("schedules", "sync", stdout=StringIO())
    return {
        "shop/kinds.py": stubs,
        "JOB": str(JobFactory(state="dead").id),
        "SCHEDULE": PeriodicTask.objects.exclude(task__startswith="celery.").first().name,
    }


@pytest.mark.parametrize("command", of("manage.py"))
def test_a_management_command_runs(platform, command):
    """As it is written, in this process; a mere name of a verb is one that there is."""
    name, *arguments = words(command)[1:]
    assert name in get_commands(), command
    arguments = [platform.get(word, word) for word in arguments]
    if command in ELSEWHERE:
        return
    out = StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=StringIO())
    except SystemExit as end:
        code = end.code  # nothing runs beside this test, and the doctor says so
    except CommandError as error:
        if len(arguments) > 1 or not re.search("arguments are required|Name job ids", str(error)):
            raise
        code = 0
    else:
        code = 0
    assert (name, code) in ((name, 0), ("doctor", 1)), out.getvalue()
    if "--json" in arguments:
        json.loads(out.getvalue())


@pytest.mark.parametrize("command", sorted(ELSEWHERE))
def test_a_command_that_is_not_run_here_exists(command):
    """Its parser is made."""
    name = command.split()[1]
    load_command_class(get_commands()[name], name).create_parser("manage.py", name)


def test_every_make_command_is_one():
    """Makefile and quoting; what each does is for the tests of what it starts."""
    for command in of("make"):
        arguments = [word for word in words(command)[1:] if not word.startswith("-")]
        done = subprocess.run(
            ["make", "--dry-run", *arguments, "SETUP="],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{COMMANDS[command]}: {command}: {done.stderr}"


def test_a_part_of_the_suite_is_not_judged_by_its_coverage():
    """A whole run is."""
    # What the make that runs these tests was told is none of this one's business.
    env = {name: value for name, value in os.environ.items() if name not in OF_MAKE}

    def recipe(*arguments):
        return subprocess.run(
            ["make", "--dry-run", "test", "SETUP=", *arguments],
            cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip

    assert "--fail-under" in recipe()
    assert "--fail-under" not in recipe("ARGS=-k lock")


@pytest.mark.parametrize("command", of("celery"))
def test_a_celery_command_is_parsed_by_celery(command):
    """App, verb, options: without starting it."""
    _, *arguments = words(command)
    at = next(i for i, word in enumerate(arguments) if word in ("worker", "beat", "flower"))
    verb = celery.commands[arguments[at]]
    context = verb.context_class(verb, ignore_unknown_options=False)
    parser = verb.make_parser(context)
    for option in celery_app.user_options[arguments[at]]:
        option.add_to_parser(parser, context)
    _, rest, _ = parser.parse_args(list(arguments[at + 1 :]))
    assert rest == []
    apps = ("config", "config.plain", "acme")  # the last is a reader's own
    assert arguments[:at] in [*(["-A", app] for app in apps), ["--app=config"]]


def test_a_module_that_is_run_is_one():
    """`python -m`: what it does is for its own tests."""
    for command in of("python"):
        found = importlib.util.find_spec(words(command)[2])
        assert found is not None, command


def test_no_other_program_is_named_unseen():
    """`git clone`, `uv`, `pip` and `docker` need a network or a daemon: no more is left out."""
    known = {"manage.py", "make", "celery", "python", "git", "uv", "docker", "pip"}
    assert {words(command)[0] for command in COMMANDS} <= known


def test_a_block_without_a_language_holds_commands_or_shows_output():
    """A new one is looked at by somebody."""
    others = {block.page for block in blocks("") if not is_commands(block.text)}
    assert others - {"docs/dependencies.md"} == SHOWN


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_json(block):
    """One value a block."""
    json.loads(block.text)
