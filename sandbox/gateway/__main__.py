"""The gateway as a process: `python -m sandbox.gateway --port 0 --drop-rate 0.03`."""

import argparse
import os
from collections.abc import Sequence

from sandbox.common.options import InvalidOption, add_arguments, from_arguments
from sandbox.common.process import wait_for_signal
from sandbox.gateway.faults import FaultSettings
from sandbox.gateway.gateway import WEBHOOK_SECRET, Gateway, GatewayOptions


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    try:
        settings = from_arguments(FaultSettings, parsed)
    except InvalidOption as error:
        parser.error(str(error))
    options = GatewayOptions(
        port=int(parsed.port),
        api_key=parsed.api_key,
        reference_key=parsed.reference_key,
        webhook_url=parsed.webhook_url,
        webhook_secret=parsed.webhook_secret,
        journal=parsed.journal,
    )
    gateway = Gateway(options, settings)
    gateway.start()
    wait_for_signal(f"gateway ready {gateway.url}")
    gateway.stop()


def _parser() -> argparse.ArgumentParser:
    env = os.environ.get
    parser = argparse.ArgumentParser(prog="python -m sandbox.gateway", description=__doc__)
    parser.add_argument("--port", default=env("GATEWAY_PORT", "0"), help="0 takes a free one")
    parser.add_argument("--api-key", default=env("GATEWAY_API_KEY", ""))
    parser.add_argument("--reference-key", default="reference", help="metadata key of references")
    parser.add_argument("--webhook-url", default=env("GATEWAY_WEBHOOK_URL", ""))
    parser.add_argument("--webhook-secret", default=env("STRIPE_WEBHOOK_SECRET") or WEBHOOK_SECRET)
    parser.add_argument("--journal", default=env("GATEWAY_JOURNAL"), help="file to survive by")
    add_arguments(parser, FaultSettings, "GATEWAY")
    return parser


if __name__ == "__main__":
    main()
