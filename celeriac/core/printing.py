"""Printing to whatever terminal there is."""

import sys
from typing import TextIO


def escape_unprintable(*streams: TextIO) -> None:
    """Let output streams escape what their encoding lacks, instead of ending the command.

    A terminal of LC_ALL=en_US.ISO-8859-1 or PYTHONIOENCODING=ascii has no arrow, and a job's
    arguments may hold any text. Streams that say themselves what to do are left alone.
    """
    for stream in streams or (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
