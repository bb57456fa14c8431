"""What a test can change in Django, in Celery, in logging and in the register of kinds."""

import logging
from copy import deepcopy

from celery import _state
from django.conf import settings
from django.utils import timezone, translation

from celeriac.jobs import registry


def look():
    """Return settings, zone, language, kinds and loggers: `(what, which) -> value`."""
    if not settings.configured:
        return {}
    holder, values = settings._wrapped, {}
    while "default_settings" in vars(holder):
        values = vars(holder) | values
        holder = holder.default_settings
    values = vars(holder) | values
    seen = {("setting", name): kept(name, values[name]) for name in values if name.isupper()}
    seen["time zone", ""] = timezone.get_current_timezone_name()
    seen["language", ""] = translation.get_language()
    seen["kinds", ""] = tuple(registry._kinds), tuple(registry._aliases)
    # Where a plain task of ours would be sent.
    seen["current Celery app", ""] = _state._tls.current_app or _state.default_app
    seen["logging.disable", ""] = logging.root.manager.disable
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            seen["logger", name] = (logger.level, logger.disabled, logger.propagate)
    return seen


def kept(name, value):
    """Return what shows a change of the value in place: a copy, the same while it is equal."""
    if not isinstance(value, dict | list | set):
        return value
    if name not in _copies or _copies[name] != value:
        copy = deepcopy(value)
        if copy != value:
            return repr(value)
        _copies[name] = copy
    return _copies[name]


_copies = {}
