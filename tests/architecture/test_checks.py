"""Django's system checks, which every management command runs first."""

from django.core import checks


def test_system_checks_ask_no_database():
    """`migrate` runs them on a database without tables: this test has no database at all.

    An admin action that names its permission `app.codename` makes unfold look that up; let it
    name a `has_…_permission` method instead.
    """
    assert checks.run_checks() == []
