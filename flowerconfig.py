"""Flower's settings, read by `celery -A config flower`: behind a password, and for reading only.

People reach it through the site, under /flower/, signed in and with the permission.
"""

import os
import sys

from celeriac.core.environment import env

basic_auth = [login for login in os.environ.get("FLOWER_BASIC_AUTH", "").split(",") if login]
if not basic_auth or not all(login.partition(":")[2] for login in basic_auth):
    sys.exit("Flower never runs open: set FLOWER_BASIC_AUTH=user:password.")
if os.environ.get("FLOWER_UNAUTHENTICATED_API", "").strip().lower() not in ("", "0", "false", "no"):
    sys.exit("Flower never runs open: unset FLOWER_UNAUTHENTICATED_API.")

port = env.int("FLOWER_PORT", default=5555)
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")
url_prefix = "flower"
# Verbs are in the admin, each with its permission and its audit row.
read_only = True
