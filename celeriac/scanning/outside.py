"""What stands beside the code: start scripts, alarms on the broker, requirements."""

import re
from collections.abc import Iterator
from pathlib import Path

from celeriac.scanning.remarks import Remark, Weight
from celeriac.scanning.sources import SourceLine, is_test, texts

_FILES = re.compile(
    r"\.(ya?ml|json|tf|hcl|sh|toml|cfg|ini|conf|env|service|py|md|j2|tpl)$"
    r"|(^|/)(Procfile|Makefile|justfile|[^/]*Dockerfile[^/]*|[^/.]+|requirements[^/]*\.txt)$"
)
_IGNORED = re.compile(
    r"(^|/)(package(-lock)?\.json|[^/]*\.lock|pnpm-lock\.yaml|LICENSE|CHANGELOG[^/]*|locale/.*"
    r"|docs?/.*|[^/]*\.md|changelogs?/.*|celery\.md)$",
    re.IGNORECASE,
)
_POOL = re.compile(r"(?:--pool[= ]|\s-P\s*)['\"]?(gevent|eventlet|threads|solo)\b")
#: A file without any of these words has nothing to do with it.
_WORDS = ("celery", "llen", "listname", "rabbitmq", "approximatenumber", "messages_ready", "flower")
#: What reads the broker, or Celery's events, and would see doorbells or nothing.
_LENGTH = "goes silent: jobs wait in the database, and celeriac_queue_depth of /metrics counts them"
_OUTSIDE = (
    (
        re.compile(
            r"\b(?:llen|LLEN)\b[^\n]{0,60}(?:celery|queue|name)"
            r"|(?:celery|queue)[^\n]{0,60}\bl_?len\("
        ),
        f"what asks Redis for a queue's length (LLEN) {_LENGTH}",
    ),
    (re.compile(r"\blistName\s*:"), f"what scales by a list's length (KEDA) {_LENGTH}"),
    (
        re.compile(r"celery[-_]exporter|redis_key_size"),
        f"what exports figures of Celery's queues {_LENGTH}",
    ),
    (
        re.compile(
            r"rabbitmq_queue_messages|queue_declare\([^)\n]*passive\s*=\s*True|messages_ready"
        ),
        f"what asks RabbitMQ for a queue's length {_LENGTH}",
    ),
    (re.compile(r"ApproximateNumberOfMessages"), f"what asks SQS for a queue's length {_LENGTH}"),
    (
        re.compile(r"\bcelery\b[^\n#]*\bflower\b|\bmher/flower\b|start-flower"),
        "Flower shows who runs, but no job that waits: those stand in the admin",
    ),
    (
        re.compile(r"control[^\n]{0,20}inspect\([^\n]*\)\.(?:active|reserved|scheduled)\(\)"),
        "what asks workers for what they hold sees no job that waits",
    ),
)
_REQUIRED = re.compile(
    r"^[ \t]*['\"]?(psycopg2(?:-binary)?|django-celery-email(?:-reboot)?|django|celery)"
    r"\s*(?:\[[^\]]*\])?\s*([~=<>!^][^'\";#\n]*)?",
    re.IGNORECASE | re.MULTILINE,
)
_REQUIREMENTS = re.compile(r"(^|/)(requirements[^/]*(/[^/]+)?\.(txt|in)|pyproject\.toml|Pipfile)$")


def outside_remarks(root: Path) -> Iterator[Remark]:
    """Say what beside the code changes its meaning, or goes silent."""
    pools: dict[str, list[SourceLine]] = {}
    seen: dict[str, list[SourceLine]] = {}
    for file, text in texts(root, _FILES):
        if is_test(file) or _IGNORED.search(file) or not _speaks(text):
            continue
        if not file.endswith(".py"):
            for match in _POOL.finditer(text):
                pools.setdefault(match[1], []).append(_at(file, text, match.start()))
        for pattern, said in _OUTSIDE:
            if found := pattern.search(text):
                seen.setdefault(said, []).append(_at(file, text, found.start()))
    for pool, places in pools.items():
        yield Remark(
            Weight.LINE,
            f"a worker with --pool={pool} serves plain tasks alone: jobs need one with prefork",
            tuple(places),
        )
    for said, places in seen.items():
        yield Remark(Weight.CHANGES, said, tuple(places))
    required: dict[str, list[SourceLine]] = {}
    for said, place in _requirements(root):
        required.setdefault(said, []).append(place)
    for said, places in required.items():
        yield Remark(Weight.LINE, said, tuple(places))


def _speaks(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in _WORDS)


def _requirements(root: Path) -> Iterator[tuple[str, SourceLine]]:
    """Yield what the ledger can't run beside, by the files that name packages."""
    for file, text in texts(root, _REQUIREMENTS):
        for match in _REQUIRED.finditer(text):
            name, wanted = match[1].lower(), (match[2] or "").strip()
            if said := _of_package(name, wanted):
                yield said, _at(file, text, match.start(1))


def _of_package(name: str, wanted: str) -> str:
    if name.startswith("psycopg2"):
        return "psycopg2: the ledger needs psycopg 3"
    if name == "django" and (old := _too_old(wanted, (5, 2))):
        return f"Django {old}: the ledger needs 5.2 or later"
    if name == "celery" and (old := _too_old(wanted, (5, 4))):
        return f"Celery {old}: the ledger needs 5.4 or later"
    if name.startswith("django-celery-email"):
        return "django-celery-email brings tasks of its own: celeriac.mail takes its place"
    return ""


def _too_old(wanted: str, least: tuple[int, int]) -> str:
    """Return a version that is pinned below the least; "" where none is, or it can't be told."""
    match = re.match(r"[=~]=\s*(\d+)(?:\.(\d+))?|<\s*(\d+)(?:\.(\d+))?", wanted)
    if match is None:
        return ""
    major, minor = (match[1], match[2]) if match[1] else (match[3], match[4])
    version = (int(major), int(minor or 0))
    is_bound = match[1] is None
    return f"{major}.{minor or 0}" if version < least or (is_bound and version <= least) else ""


def _at(file: str, text: str, offset: int) -> SourceLine:
    return SourceLine(file, text.count("\n", 0, offset) + 1)
