"""What mail adds to the console."""

from celeriac import Plugin

_MAIL = "what keeps a mail from being sent twice, or at all, for as long as it may be asked"
_GROWING = ("notifications.Email", "notifications.Recipient", "notifications.Suppression")

PLUGIN = Plugin(
    name="notifications",
    sidebar={
        "Mail": (
            ("Emails", "notifications.email"),
            ("Campaigns", "notifications.campaign"),
            ("Recipients", "notifications.recipient"),
            ("Suppressions", "notifications.suppression"),
        )
    },
    viewed=frozenset({"notifications"}),
    operated=frozenset(
        {
            "notifications.start_campaign",
            "notifications.cancel_campaign",
            "notifications.resend_email",
        }
    ),
    kept={
        **dict.fromkeys(_GROWING, _MAIL),
        "notifications.Campaign": "people write it, one by one",
    },
    large_tables=frozenset(_GROWING),
    audited=("address", "campaign", "email"),
)
