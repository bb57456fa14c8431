"""Paths of this site's pages as a request bears them."""

from django.urls import get_script_prefix, reverse


def path_info_of(name: str, *args: str) -> str:
    """Return a page's path below the site's own prefix (FORCE_SCRIPT_NAME), as `path_info` is."""
    return f"/{reverse(name, args=args).removeprefix(get_script_prefix())}"
