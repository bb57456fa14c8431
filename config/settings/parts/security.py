"""Headers, cookies, keys, and whom we believe about a request."""

from django.utils.csp import CSP

from celeriac.core.environment import env

#: How many proxies of ours stand before the web servers, each adding to X-Forwarded-For and
#: saying in X-Forwarded-Proto whether the client came by TLS. What is written by nobody of ours
#: is not believed. (API_PROXIES is the name of before.)
PROXIES = env.int("PROXIES", default=env.int("API_PROXIES", default=0))
#: Keys of before, which are believed while a new SECRET_KEY is rolled out.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
#: What tokens and unsubscribe links are signed with, and keys of before that are still believed.
#: Without one it is SECRET_KEY: put that into the fallbacks when setting one, since links in
#: mails that were sent live for years.
SIGNING_KEY = env.str("SIGNING_KEY", default="")
SIGNING_KEY_FALLBACKS = env.list("SIGNING_KEY_FALLBACKS", default=[])
CSRF_FAILURE_VIEW = "celeriac.core.errorpages.csrf_failure"

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "form-action": [CSP.SELF],
}
#: For pages in the admin's frame alone (docs/decisions/admin-evaluates-expressions.md).
ADMIN_CSP = SECURE_CSP | {"script-src": [CSP.SELF, CSP.UNSAFE_EVAL]}
