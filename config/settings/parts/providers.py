"""The payment gateway and the mail provider."""

from email.utils import parseaddr

import environ

env = environ.Env()

STRIPE_API_KEY = env.str("STRIPE_API_KEY", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
#: Seconds that one call to a provider may take.
PAYMENTS_TIMEOUT = env.float("PAYMENTS_TIMEOUT", default=5.0)
#: How long an idempotency key is used; the provider forgets it after 24.
PAYMENTS_KEY_HOURS = env.float("PAYMENTS_KEY_HOURS", default=23.0)
#: Look-ups before a human is asked, the last one that long after the last call: searches lag.
PAYMENTS_MAX_LOOKUPS = env.int("PAYMENTS_MAX_LOOKUPS", default=4)
PAYMENTS_LOOKUP_SETTLE_SECONDS = env.float("PAYMENTS_LOOKUP_SETTLE_SECONDS", default=120.0)
#: The wait between the steps of an unknown outcome: doubled each time, up to the cap.
PAYMENTS_RESOLVE_BASE_SECONDS = env.float("PAYMENTS_RESOLVE_BASE_SECONDS", default=1.0)
PAYMENTS_RESOLVE_CAP_SECONDS = env.float("PAYMENTS_RESOLVE_CAP_SECONDS", default=600.0)

EMAIL_URL = env.str("EMAIL_URL", default="smtp://localhost:1025")
_email = environ.Env.email_url_config(EMAIL_URL)
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
if EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend":
    # The same, but it knows whether the message may have left.
    EMAIL_BACKEND = "apps.notifications.smtp.EmailBackend"
EMAIL_HOST = _email["EMAIL_HOST"]
EMAIL_PORT = _email["EMAIL_PORT"] or 25
EMAIL_HOST_USER = _email["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_PASSWORD"] or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=10.0)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Celeriac <orders@celeriac.example>")
#: The right-hand side of Message-IDs; never change it while mail is under way.
EMAIL_MESSAGE_ID_DOMAIN = env.str(
    "EMAIL_MESSAGE_ID_DOMAIN", default=parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
)
