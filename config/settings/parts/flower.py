"""Flower, which the site shows to staff under /flower/."""

from celeriac.core.environment import env

#: `user:password`, between this site and Flower; without it Flower does not start.
FLOWER_BASIC_AUTH = env.str("FLOWER_BASIC_AUTH", default="")
#: Where Flower listens, for this site alone.
FLOWER_URL = env.str(
    "FLOWER_URL", default=f"http://127.0.0.1:{env.int('FLOWER_PORT', default=5555)}"
)
#: Seconds that one page may take.
FLOWER_TIMEOUT_SECONDS = 15.0
