"""`make chaos`: throw each fault at a platform of its own; exit 1 where a promise broke.

`ARGS=` names the faults (all without); `JOBS=` is how many each meets, about, `ROUNDS=` how often
each comes, `SEED=` in which order. `SLOTS=threads:20` has the workers run so many jobs at once.
"""

import argparse
import os
import random
import secrets
import shutil
import sys
import time
from contextlib import contextmanager

from sandbox import supervisor
from sandbox.platform import ROOT
from sandbox.servers import PostgresServer, ValkeyServer

#: Seconds that a fault takes about, from the first job to the last.
SPAN = 20


def main(arguments):
    """Return the exit code."""
    options = parse(arguments)
    with platform(options.slots) as environment:
        from tests.chaos import report
        from tests.chaos.faults import FAULTS
        from tests.chaos.run import run_fault

        dice, found = random.Random(options.seed), []  # noqa: S311 an order that repeats itself
        for number in range(options.rounds):
            names = [*(options.faults or FAULTS)]
            dice.shuffle(names)
            for name in names:
                tenant = f"{number}-{name}"
                begun = time.monotonic()
                one = run_fault(
                    environment, FAULTS[name], rate=options.jobs / SPAN, dice=dice, tenant=tenant
                )
                found.append(one)
                said = "; ".join(one.broken) or "well"
                print(f"{time.monotonic() - begun:5.0f} s  {name}: {said}", flush=True)
    report.show(found, seed=options.seed)
    report.write(found, seed=options.seed, slots=options.slots)
    return 1 if any(one.broken for one in found) else 0


def parse(arguments):
    """Return the options; unknown faults are refused by name."""
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("faults", nargs="*")
    parser.add_argument("--jobs", type=int, default=env("JOBS", "600"))
    parser.add_argument("--rounds", type=int, default=env("ROUNDS", "1"))
    parser.add_argument("--seed", type=int, default=env("SEED") or secrets.randbelow(10**6))
    parser.add_argument("--slots", default=env("SLOTS", ""))
    return parser.parse_args(arguments)


@contextmanager
def platform(slots):
    """Yield a platform on servers of its own, gone at the end but for the logs of its processes."""
    home = ROOT / ".local" / "chaos" / f"{os.getpid()}-{secrets.token_hex(4)}"
    logs = home.parent / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    supervisor.current_supervisor().remove_at_end(home)
    (home / "tmp").mkdir(parents=True)
    postgres, valkey = PostgresServer(home / "postgres"), ValkeyServer(home / "valkey")
    postgres.start()
    valkey.start()
    postgres.create_database("celeriac")
    env = {
        "DATABASE_URL": postgres.url("celeriac"),
        "BROKER_URL": valkey.url(0),
        "CACHE_URL": valkey.url(1),
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "TMPDIR": str(home / "tmp"),
    }
    os.environ.update(env)
    migrate()
    from tests.chaos.environment import Environment

    environment = Environment(
        postgres=postgres,
        valkey=valkey,
        database_url=postgres.url("celeriac"),
        env=env,
        directory=home,
        logs=logs,
        slots=dict.fromkeys(("worker-1", "worker-2"), slots),
    )
    try:
        environment.start_all()
        yield environment
    finally:
        environment.stop()
        valkey.stop()
        postgres.stop()
        supervisor.close()


def migrate():
    """Make the tables; what needs Django may be imported from now on."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
