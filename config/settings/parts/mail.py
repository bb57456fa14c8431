"""EMAIL_URL, read."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

SMTP = "django.core.mail.backends.smtp.EmailBackend"
#: The same, but it knows whether the message may have left.
OUR_SMTP = "celeriac.mail.smtp.SmtpBackend"

_UNREAD = (
    "EMAIL_URL can't be read: write it as smtp+tls://user:password@host:587, with special "
    "characters of the password percent-encoded (# as %23, / as %2F, ? as %3F), or as "
    "anymail://provider?key=value."
)


@dataclass(frozen=True, slots=True)
class Mail:
    """How mail leaves."""

    backend: str
    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False
    provider: str = ""
    anymail: dict[str, str] = field(default_factory=dict)


def mail_settings(url: str) -> Mail:
    """Return what the URL says; raises ImproperlyConfigured."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "anymail":
            return _provider(url)
        read = environ.Env.email_url_config(url)
    except ValueError:
        raise ImproperlyConfigured(_UNREAD) from None
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"EMAIL_URL: {error}") from None
    if parts.fragment or (parts.scheme.startswith("smtp") and not parts.hostname):
        raise ImproperlyConfigured(_UNREAD)
    return Mail(
        backend=OUR_SMTP if read["EMAIL_BACKEND"] == SMTP else read["EMAIL_BACKEND"],
        host=read["EMAIL_HOST"] or "",
        port=read["EMAIL_PORT"] or 25,
        user=read["EMAIL_HOST_USER"] or "",
        password=read["EMAIL_HOST_PASSWORD"] or "",
        use_tls=read.get("EMAIL_USE_TLS", False),
        use_ssl=read.get("EMAIL_USE_SSL", False),
    )


def _provider(url: str) -> Mail:
    """Return one of anymail's providers; its settings are the query, named as anymail has them."""
    parts = urlsplit(url)
    name = parts.netloc
    if not name.isidentifier() or find_spec(f"anymail.backends.{name}") is None:
        raise ImproperlyConfigured(f"EMAIL_URL names {name!r}, which anymail does not know.")
    anymail: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, strict_parsing=bool(parts.query)):
        shared = key.lower() == "webhook_secret"
        anymail[key.upper() if shared else f"{name}_{key}".upper()] = value
    return Mail(backend=f"anymail.backends.{name}.EmailBackend", provider=name, anymail=anymail)
