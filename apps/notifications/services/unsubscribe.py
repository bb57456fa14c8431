"""One click, and no more bulk mail."""

from apps.notifications.errors import InvalidRecipients, InvalidToken
from apps.notifications.models import Suppression, SuppressionReason
from apps.notifications.services.suppress import suppress
from apps.notifications.unsubscribe import address_of


def unsubscribe(*, token: str) -> Suppression:
    """Take the token's address off bulk mail, once or again; return the row.

    Raises InvalidToken.
    """
    try:
        return suppress(
            address=address_of(token),
            reason=SuppressionReason.UNSUBSCRIBE,
            note="by the link in a message",
            actor="recipient",
        )
    except InvalidRecipients as error:
        raise InvalidToken from error
