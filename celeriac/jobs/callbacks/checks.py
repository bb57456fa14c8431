"""System checks: what can be known wrong with callbacks before the first one."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from django.core.checks import CheckMessage, Error

from celeriac.jobs.callbacks import signature, targets
from celeriac.settings import conf

SHORTEST = 32


def check_callbacks(**_: Any) -> list[CheckMessage]:
    """Report entries that mean nothing, and secrets that are missing or weak."""
    hosts = "Name hosts: hooks.example.com, hooks.example.com:8443, *.example.com."
    networks = "Name networks such as 10.20.0.0/16."
    named, among = "CALLBACK_ALLOWED_HOSTS", "CALLBACK_ALLOWED_NETWORKS"
    return [
        *_refused(named, targets.split_entry, hint=hosts, id="celeriac_jobs.E101"),
        *_refused(among, ip_network, hint=networks, id="celeriac_jobs.E102"),
        *_check_secrets(),
    ]


def _refused(
    setting: str, read: Callable[[str], object], *, hint: str, id: str
) -> Iterator[CheckMessage]:
    for entry in getattr(conf, setting):
        try:
            read(entry)
        except ValueError as error:
            yield Error(f"{setting}: {error}.", hint=hint, id=id)


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
