"""The command line of `manage.py jobs`."""

from argparse import ArgumentParser
from collections.abc import Iterable
from uuid import UUID

from celeriac.core.arguments import add_actor, seconds_argument
from celeriac.jobs.operating.actions import ACTIONS, Action
from celeriac.jobs.states import State


def add_job_arguments(parser: ArgumentParser, actions: Iterable[Action] = ACTIONS.values()) -> None:
    """Add every verb and its options."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    _enqueue(verbs.add_parser("enqueue", help="write a job"))
    listing = verbs.add_parser("list", help="the newest jobs")
    _filter(listing)
    listing.add_argument("--limit", type=int, default=20)
    verbs.add_parser("show", help="one job, its runs, and why it waits").add_argument(
        "id", type=UUID
    )
    for action in filter(lambda each: each.as_command, actions):
        one = verbs.add_parser(action.name, help=f"{action.title}; or many, by a filter")
        add_actor(one)
        one.add_argument("ids", nargs="*", type=UUID)
        _filter(one)
        one.add_argument("--all", action="store_true", help="every job whose state allows it")
        one.add_argument("--reason", default="", help="for the audit trail")
    done = verbs.add_parser("acknowledge", help="say that dead jobs are dealt with as they stand")
    add_actor(done)
    done.add_argument("--kind", help="of one kind; of every kind without it")
    done.add_argument("--reason", required=True, help="what was done, for the audit trail")
    stats = verbs.add_parser("stats", help="what the queues hold, and how jobs ended lately")
    stats.add_argument(
        "--seconds", type=seconds_argument, default=300.0, help="how far to look back"
    )
    for each in verbs.choices.values():
        each.add_argument("--json", action="store_true", help="print JSON")


def _enqueue(parser: ArgumentParser) -> None:
    add_actor(parser)
    parser.add_argument("kind")
    parser.add_argument("arguments", nargs="*", help="name=value pairs, or one JSON object")
    parser.add_argument("--queue")
    parser.add_argument("--priority", type=int)
    parser.add_argument("--delay", type=float, help="seconds")
    parser.add_argument("--run-at", help="such as 2030-01-31T09:00:00+00:00")
    parser.add_argument("--unique-key")
    parser.add_argument("--idempotency-key")
    parser.add_argument("--lock-key")


def _filter(parser: ArgumentParser) -> None:
    parser.add_argument("--state", choices=[state.value for state in State])
    parser.add_argument("--kind")
    parser.add_argument("--queue")
