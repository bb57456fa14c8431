"""Django's e-mail, durable: `EMAIL_BACKEND = "celeriac.mail.EmailBackend"` makes it jobs.

`CELERIAC["MAIL_BACKEND"]` is the backend that sends. What was written in a transaction is undone
with it; what was committed is sent, however often a process dies.
"""

from celeriac.mail.backend import EmailBackend as EmailBackend
