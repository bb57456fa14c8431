"""What operators do to service accounts, and how an account proves who it is."""

from datetime import timedelta
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Any

from django.db import transaction
from django.db.models import F

from celeriac.core import audit, clock
from celeriac.core.clock import Now
from celeriac.http.models import Secret, ServiceAccount

_TARGET = "service account"
_PREFIX = "celeriac_"
_SHOWN = len(_PREFIX) + 4


def make_secret(
    *, account: ServiceAccount, overlap: timedelta = timedelta(), actor: Any, reason: str = ""
) -> str:
    """Give the account a new secret and return it: the only time that it is known.

    Older secrets keep working for `overlap`, not at all without one.
    """
    secret = _PREFIX + token_urlsafe(32)
    with transaction.atomic():
        ServiceAccount.objects.select_for_update().get(pk=account.pk)  # one new secret at a time
        end = clock.db_now() + overlap
        account.secrets.living().exclude(expires_at__lt=end).update(expires_at=end)
        Secret.objects.create(account=account, digest=secret_digest(secret), hint=secret[:_SHOWN])
        details = {"overlap_seconds": overlap.total_seconds()}
        audit.record(
            "account.secret", _TARGET, account.name, actor=actor, reason=reason, details=details
        )
    return secret


def revoke_tokens(*, account: ServiceAccount, actor: Any, reason: str = "") -> None:
    """Make every token that the account holds worthless from now on."""
    with transaction.atomic():
        ServiceAccount.objects.filter(pk=account.pk).update(
            generation=F("generation") + 1, updated_at=Now()
        )
        audit.record("account.revoke", _TARGET, account.name, actor=actor, reason=reason)
    account.refresh_from_db(fields=["generation"])


def authenticate(*, client_id: str, client_secret: str) -> ServiceAccount | None:
    """Return the active account of that name and secret, or None."""
    given = secret_digest(client_secret)
    living = Secret.objects.living().filter(account__name=client_id, account__is_active=True)
    for secret in living.select_related("account"):
        if compare_digest(secret.digest, given):
            ServiceAccount.objects.filter(pk=secret.account_id).update(last_token_at=Now())
            return secret.account
    return None


def secret_digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return sha256(secret.encode()).hexdigest()
