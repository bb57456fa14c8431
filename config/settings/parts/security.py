"""Headers, cookies and keys. Whom we believe about a request: PROXIES of CELERIAC."""

from django.utils.csp import CSP

from celeriac.core.environment import env

#: Keys of before, which are believed while a new SECRET_KEY is rolled out.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
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
