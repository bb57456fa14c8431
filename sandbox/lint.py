"""The checks of `make lint` that need a database: migrations, their SQL, production settings."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from sandbox import supervisor
from sandbox.servers import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
#: A complete production environment, to be judged by `check --deploy`. Nothing listens there.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": secrets.token_urlsafe(64),
    "DATABASE_URL": "postgres://celeriac:secret@database.example/celeriac",
    "BROKER_URL": "redis://broker.example:6379/0",
    "CACHE_URL": "redis://broker.example:6379/1",
    "ALLOWED_HOSTS": "celeriac.example",
    "FLOWER_BASIC_AUTH": f"flower:{secrets.token_urlsafe(16)}",
    "STRIPE_API_KEY": "sk_test_lint",  # here only
    "STRIPE_WEBHOOK_SECRET": "whsec_lint",  # here only
    "METRICS_TOKEN": secrets.token_urlsafe(16),
}


def main() -> int:
    """Run every check, so that one run shows all faults; return the number of failed ones."""
    directory = ROOT / ".local" / f"lint-{secrets.token_hex(4)}"
    failed = 0 if manage("check", "--deploy", "--fail-level", "WARNING", env=PRODUCTION) else 1
    with database(directory) as url:
        env = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": url}
        failed += 0 if manage("makemigrations", "--check", "--dry-run", env=env) else 1
        os.environ.update(env)
        failed += 0 if squawk(write_sql(directory)) else 1
    return failed


def manage(*arguments: str, env: dict[str, str]) -> bool:
    """Run a management command and say whether it succeeded."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | env).returncode == 0


@contextmanager
def database(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty database that lasts as long as the block."""
    supervisor.current_supervisor().remove_at_end(directory)
    server = PostgresServer(directory / "postgres")
    server.start()
    try:
        yield server.url()
    finally:
        server.stop()
        supervisor.close()


def write_sql(directory: Path) -> list[Path]:
    """Write the SQL of each of our migrations into a file; return the files."""
    django.setup()
    from django.core.management import call_command  # management loads after setup

    files = []
    ours = (ROOT / name for name in ("apps", "celeriac"))
    for migration in sorted(each for part in ours for each in part.glob("*/migrations/0*.py")):
        app = migration.parent.parent.name
        if migration.is_relative_to(ROOT / "celeriac"):
            app = f"celeriac_{app}"
        file = directory / f"{app}_{migration.stem}.sql"
        with file.open("w") as sql:
            call_command("sqlmigrate", app, migration.stem, no_color=True, stdout=sql)
        files.append(file)
    return files


def squawk(files: list[Path]) -> bool:
    """Say whether squawk, configured in .squawk.toml, finds nothing in the SQL files."""
    program = shutil.which("squawk", path=os.path.dirname(sys.executable))
    if program is None or not files:
        return not files
    return subprocess.run([program, *map(str, files)], cwd=ROOT).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
