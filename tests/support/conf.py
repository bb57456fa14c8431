"""Changing the library's settings in a test."""

from celeriac.settings import Settings


def configure(settings, **values):
    """Set keys of CELERIAC, or settings of the project, through pytest-django's fixture."""
    for name, value in values.items():
        if name in Settings.__dataclass_fields__:
            settings.CELERIAC = settings.CELERIAC | {name: value}
        else:
            setattr(settings, name, value)
