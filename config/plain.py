"""The Celery app for plain tasks: late acknowledgement, results in the database.

Its workers are `celery -A config.plain worker -Q plain`. Plain tasks are sent by
any process through the default app; only their workers differ.
"""

from celery import Celery

from config.celery import app as ledger_app

app = Celery("celeriac-plain", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    broker_transport_options={**ledger_app.conf.broker_transport_options, "ack_emulation": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
)
app.conf.CELERY_DB_REUSE_MAX = 0  # children of this app check their connection around every task
app.autodiscover_tasks()
