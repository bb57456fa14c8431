"""The repository's files are parsed once for a module's tests: they are a million nodes."""

import pytest

from tests.architecture import source


@pytest.fixture(scope="module", autouse=True)
def _parsed_files():
    """Forget them with its last test: the collector would look at them ever after."""
    yield
    source.nodes_of.cache_clear()
