"""What each process is to find of what the project has initialised."""

#: Loggers that the project's LOGGING names, with their levels.
LEVELS = {"host": "DEBUG", "celeriac": "INFO", "celery": "ERROR"}
EXPECTED = {
    "sentry": True,
    "options": ["host", 7],
    "before_send": True,
    "provider": True,
    "handlers": ["KeptLines"],
    "filters": [],
    "root": "WARNING",
    "levels": list(LEVELS.values()),
}
