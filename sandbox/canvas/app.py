"""The app of the worker: what their session's app is in the process of their tests.

The dispatcher has it, too, without what only their fixtures say.
"""

import json
import os
from importlib import import_module

from celery import signals

from celeriac.celery import Celery
from sandbox.canvas.logs import send_logs

_given = json.loads(os.environ.get("CANVAS_APP", "null")) or {
    "name": "celery.tests",
    "config": {
        "broker_url": os.environ["TEST_BROKER"],
        "result_backend": os.environ["TEST_BACKEND"],
    },
    "modules": ["t.integration.tasks"],
    "classes": [],
}
app = Celery(_given["name"], set_as_current=True)
app.conf.update(_given["config"])
for _module in _given["modules"]:
    import_module(_module)
for _module, _name in _given["classes"]:
    app.register_task(getattr(import_module(_module), _name)())


# Celery sets a worker's logging up by itself, and says when it has.
@signals.after_setup_logger.connect(weak=False)
def add_handler(logger: object, **_: object) -> None:
    """Have what the worker logs come to the process of the tests, where `caplog` reads it."""
    if "CANVAS_LOG_PORT" in os.environ:
        send_logs(int(os.environ["CANVAS_LOG_PORT"]))
