"""The sink as a process: `python -m sandbox.mailsink --port 0 --control-port 0`."""

import argparse
import os
from collections.abc import Sequence

from sandbox.common.options import InvalidOption, add_arguments, from_arguments
from sandbox.common.process import wait_for_signal
from sandbox.mailsink.faults import FaultSettings
from sandbox.mailsink.sink import Mailsink, MailsinkOptions


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        settings = from_arguments(FaultSettings, parsed)
    except InvalidOption as error:
        parser.error(str(error))
    options = MailsinkOptions(int(parsed.port), int(parsed.control_port), parsed.journal)
    sink = Mailsink(options, settings)
    sink.start()
    wait_for_signal(
        f"mailsink ready smtp://{sink.host}:{sink.port}",
        f"mailsink control ready {sink.control_url}",
    )
    sink.stop()


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m sandbox.mailsink", description=__doc__)
    parser.add_argument("--port", default=env("SMTP_PORT", "0"), help="0 takes a free one")
    parser.add_argument("--control-port", default=env("MAILSINK_CONTROL_PORT", "0"))
    parser.add_argument("--journal", default=env("MAILSINK_JOURNAL"), help="file to survive by")
    add_arguments(parser, FaultSettings, "MAILSINK")
    return parser


if __name__ == "__main__":
    main()
