"""So many calls, and so many jobs, a minute for each account; so many calls for each address."""

import math
import time
from typing import TYPE_CHECKING

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from celeriac.core import rates
from celeriac.core.client import address_of
from celeriac.http.models import ServiceAccount
from celeriac.settings import conf

if TYPE_CHECKING:
    from rest_framework.views import APIView


class MinuteThrottle(BaseThrottle):
    """Counts by the minute."""

    def wait(self) -> float:
        """Return the seconds until the next minute begins."""
        return rates.seconds_left()


class Throttle(MinuteThrottle):
    """Counts by account; calls that show no token by the address they come from."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Return whether the call is within the account's rate."""
        account: ServiceAccount | None = getattr(request._request, "api_account", None)
        if account is None:
            name = f"at:{address_of(request._request)}"
            limit = int(conf.API_TOKEN_CALLS_PER_MINUTE)
        else:
            limit = int(account.rate_per_minute or conf.API_CALLS_PER_MINUTE)
            name = account.scope
        return rates.counts.take(name, now=time.time()) <= limit


class PublicThrottle(MinuteThrottle):
    """Counts calls of pages that are open to everyone, by the address they come from."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Return whether the address may ask once more."""
        return rates.is_within(request._request, "public", "PUBLIC_CALLS_PER_MINUTE")


def take_jobs(account: ServiceAccount, count: int) -> None:
    """Count the jobs of a call, each of them; raises Throttled where they are too many.

    An account at rest may always send one full bulk call: where its minute's share is smaller,
    that is spread over as many minutes as it takes, up to an hour.
    """
    most, limit = conf.API_MAX_BULK_JOBS, account.jobs_per_minute or conf.API_JOBS_PER_MINUTE
    minutes = min(math.ceil(most / limit), rates.MOST_MINUTES)
    name, now = f"jobs:{account.scope}", time.time()
    if rates.counts.take(name, now=now, amount=count, minutes=minutes) > max(limit * minutes, most):
        rates.counts.take(name, now=now, amount=-count)  # what was refused costs nothing
        raise Throttled(wait=rates.seconds_left())
