"""Headers, cookies and keys. Whom we believe about a request: PROXIES of CELERIAC."""

from celeriac.core.environment import env

#: Keys of before, which are believed while a new SECRET_KEY is rolled out.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
CSRF_FAILURE_VIEW = "celeriac.core.errorpages.csrf_failure"

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": ["'self'"],
    "script-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:"],
    "font-src": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'self'"],
    "form-action": ["'self'"],
}
#: For pages in the admin's frame alone (docs/decisions/admin-evaluates-expressions.md).
ADMIN_CSP = SECURE_CSP | {"script-src": ["'self'", "'unsafe-eval'"]}
