"""Plain tasks have limits of their own, written down for their app alone."""

from config.celery import app as ledger
from config.plain import app


def test_a_plain_task_is_killed_before_its_message_comes_back():
    """Soft below hard, hard below the broker's visibility timeout."""
    conf = app.conf
    visible = conf.broker_transport_options["visibility_timeout"]
    assert (conf.task_soft_time_limit, conf.task_time_limit) == (25 * 60, 30 * 60)
    assert conf.task_time_limit < visible
    assert conf.broker_transport_options["ack_emulation"] is True


def test_plain_tasks_speak_json_only_and_are_seen_to_start():
    """Nothing that unpickles is taken from the broker."""
    conf = app.conf
    assert (conf.task_serializer, conf.result_serializer) == ("json", "json")
    assert (list(conf.accept_content), list(conf.result_accept_content)) == (["json"], ["json"])
    assert conf.task_track_started is True


def test_the_ledgers_app_keeps_its_own():
    """Its limits are the kinds', in the ledger."""
    conf = ledger.conf
    assert (conf.task_soft_time_limit, conf.task_time_limit) == (None, None)
    assert conf.task_track_started is False
    assert "visibility_timeout" not in conf.broker_transport_options
    assert conf.broker_transport_options["ack_emulation"] is False
