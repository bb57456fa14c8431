"""`python -m sandbox.demo`: exit 0 only if the books balance."""

import os
import signal
import subprocess
import sys
import time

import django
from rich.console import Console

from celeriac.core.printing import escape_unprintable
from sandbox.demo.options import parse
from sandbox.demo.programs import ProgramEnded
from sandbox.demo.stage import Stage, forget, stage

INTERRUPTED = 130
TROUBLE = (ProgramEnded, TimeoutError, subprocess.CalledProcessError)


def main() -> int:
    """Set everything up, run the demo, clear everything away; return the exit code."""
    escape_unprintable()
    options = parse()
    console = Console(soft_wrap=not sys.stdout.isatty())
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    console.print(f"{options.orders} orders, SEED={options.seed}: starting the platform …")
    balanced = False
    try:
        with stage(options) as ready:
            balanced = _run(ready, console)
    except KeyboardInterrupt:
        return INTERRUPTED
    except TROUBLE as error:
        console.print(str(error), style="red", markup=False)
    console.print(f"SEED={options.seed} took {time.monotonic() - started:.0f} s.")
    if balanced and not options.keep_logs:
        forget(ready)
    else:
        console.print(f"Logs: {ready.programs.logs}", markup=False)
    return 0 if balanced else 1


def _run(ready: Stage, console: Console) -> bool:
    ready.start_all()
    os.environ.update(ready.env)
    django.setup()
    from django.db import connection  # settings are there now

    from sandbox.demo.run import Demo  # models load after setup

    try:
        return Demo(ready, console).run()
    finally:
        connection.close()


def _interrupt(number: int, frame: object) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
