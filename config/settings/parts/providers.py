"""Those outside whom this platform calls."""

from email.utils import parseaddr

from celeriac.core.environment import env
from config.settings.parts.mail import mail_settings

# here only: the payment gateway
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
# to here

#: `smtp://`, `smtp+tls://`, `smtp+ssl://user:password@host:port`, or any provider that anymail
#: knows: `anymail://postmark?server_token=…&webhook_secret=user:password`.
EMAIL_URL = env.str("EMAIL_URL", default="smtp://localhost:1025")
_mail = mail_settings(EMAIL_URL)
EMAIL_BACKEND = _mail.backend
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.use_tls, _mail.use_ssl
EMAIL_PROVIDER, ANYMAIL = _mail.provider, _mail.anymail
#: Where the world reaches this site, for the links in bulk mail.
PUBLIC_URL = env.str("PUBLIC_URL", default="")
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=10.0)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Celeriac <orders@celeriac.example>")
#: The right-hand side of Message-IDs; never change it while mail is under way.
EMAIL_MESSAGE_ID_DOMAIN = env.str(
    "EMAIL_MESSAGE_ID_DOMAIN", default=parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
)
