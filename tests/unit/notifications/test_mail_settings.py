"""EMAIL_URL names an SMTP server or any provider that anymail knows."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.settings.parts.mail import mail_settings


def test_smtp_is_ours():
    """With what the URL says of the server."""
    mail = mail_settings("smtp+tls://user:p%40ss@mail.example:587")
    assert mail.backend == "celeriac.mail.smtp.SmtpBackend"
    assert (mail.host, mail.port, mail.use_tls, mail.use_ssl) == ("mail.example", 587, True, False)
    assert (mail.user, mail.password, mail.provider) == ("user", "p@ss", "")


def test_other_schemes_of_django_still_work():
    """For a laptop."""
    assert mail_settings("consolemail://").backend.endswith("console.EmailBackend")


@pytest.mark.parametrize("name", ["amazon_ses", "mailgun", "postmark", "sendgrid", "unisender_go"])
def test_any_provider_of_anymail_is_named_by_the_url(name):
    """Its settings are the query's, the webhook's secret is shared."""
    mail = mail_settings(f"anymail://{name}?api_key=k%2B1&webhook_secret=hook:s3cret")
    assert mail.backend == f"anymail.backends.{name}.EmailBackend"
    assert mail.anymail == {f"{name.upper()}_API_KEY": "k+1", "WEBHOOK_SECRET": "hook:s3cret"}
    assert mail.provider == name


@pytest.mark.parametrize("url", ["anymail://nobody?x=1", "anymail://", "pigeon://mail.example"])
def test_what_nobody_knows_is_refused_at_start(url):
    """With its name."""
    with pytest.raises(ImproperlyConfigured):
        mail_settings(url)
