"""Test tools for users of the platform: docs/testing.md shows them at work.

They read and run the rows of the open test database in this process, so they work under
pytest-django's `db` (where nothing commits) and `transactional_db` alike, and need neither broker
nor worker. As an app of the test settings it also makes the end of each TransactionTestCase fast.
"""

from typing import TYPE_CHECKING

from celeriac.core.lazy import load_name, typed_imports

if TYPE_CHECKING:
    from celeriac.testing.jobs import (
        assert_enqueued as assert_enqueued,
        assert_not_enqueued as assert_not_enqueued,
        drain as drain,
        perform_job as perform_job,
    )

# As an app it is imported before the models are: its names are not.
_HOMES = typed_imports(__name__)
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name from where it stands."""
    return load_name(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
