"""`python -m tests.host.manage`: the project's command line, and its web server's entry."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.host.settings")

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
