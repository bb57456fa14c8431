"""System checks: what can be known wrong with callbacks before the first one."""

from ipaddress import ip_network
from typing import Any

from django.core.checks import CheckMessage, Error

from celeriac.jobs.callbacks import signature, targets
from celeriac.settings import conf

SHORTEST = 32


def check_callbacks(**_: Any) -> list[CheckMessage]:
    """Report entries that mean nothing, and secrets that are missing or weak."""
    return [*_check_hosts(), *_check_networks(), *_check_secrets()]


def _check_hosts() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for entry in conf.CALLBACK_ALLOWED_HOSTS:
        try:
            targets.split_entry(entry)
        except ValueError as error:
            hint = "Name hosts: hooks.example.com, hooks.example.com:8443, *.example.com."
            found.append(
                Error(f"CALLBACK_ALLOWED_HOSTS: {error}.", hint=hint, id="celeriac_jobs.E101")
            )
    return found


def _check_networks() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for entry in conf.CALLBACK_ALLOWED_NETWORKS:
        try:
            ip_network(entry)
        except ValueError as error:
            hint = "Name networks such as 10.20.0.0/16."
            found.append(
                Error(f"CALLBACK_ALLOWED_NETWORKS: {error}.", hint=hint, id="celeriac_jobs.E102")
            )
    return found


def _check_secrets() -> list[CheckMessage]:
    if not conf.CALLBACK_ALLOWED_HOSTS:
        return []
    if not conf.CALLBACK_SECRET:
        text = "CALLBACK_ALLOWED_HOSTS allows callbacks, but CALLBACK_SECRET is not set."
        return [
            Error(text, hint="Make a random one and give it to receivers.", id="celeriac_jobs.E103")
        ]
    if any(len(secret) < SHORTEST for secret in signature.callback_secrets()):
        text = f"A callback secret has fewer than {SHORTEST} characters."
        return [Error(text, hint="Make a random one.", id="celeriac_jobs.E104")]
    return []
