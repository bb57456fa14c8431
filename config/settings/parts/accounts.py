"""How people sign in, how often they may try, and how long they stay."""

from datetime import timedelta
from typing import Any

from celeriac.core.environment import env

_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {
        "NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "first_name", "last_name")},
    },
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATION}.NumericPasswordValidator"},
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]

#: Wrong passwords, of one account or from one address, after which nobody gets in there for
#: SIGN_IN_LOCK_SECONDS; tries meanwhile make that no longer.
SIGN_IN_FAILURES = env.int("SIGN_IN_FAILURES", default=5)
SIGN_IN_FAILURES_AT_ADDRESS = env.int("SIGN_IN_FAILURES_AT_ADDRESS", default=20)
SIGN_IN_LOCK_SECONDS = env.int("SIGN_IN_LOCK_SECONDS", default=900)

AXES_HANDLER = "apps.accounts.lockout.Handler"
AXES_FAILURE_LIMIT = SIGN_IN_FAILURES
AXES_LOCKOUT_PARAMETERS = ["username", "ip_address"]
AXES_COOLOFF_TIME = timedelta(seconds=SIGN_IN_LOCK_SECONDS)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "apps.accounts.lockout.account_name"
AXES_CLIENT_IP_CALLABLE = "celeriac.core.client.address_of"
AXES_LOCKOUT_CALLABLE = "apps.accounts.lockout.locked_page"
# The audit trail and our own log lines say what happened, and no word that was typed.
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True
AXES_SENSITIVE_PARAMETERS = [
    "username",
    "ip_address",
    "reason",
    "old_password",
    "new_password1",
    "new_password2",
]
AXES_ENABLE_ADMIN = False

#: Seconds after which somebody must sign in again: a working day; and, in production, how long
#: she may do nothing. 0 is no limit.
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", default=10 * 3600)
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=0)
SESSION_COOKIE_SAMESITE = "Lax"
