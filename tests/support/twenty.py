"""Settings of a deploy with twenty queues, whose dispatchers note what they ring."""

from config.settings.test import *  # noqa: F403 the test's settings, with other queues
from config.settings.test import CELERIAC

CELERIAC = CELERIAC | {
    "QUEUES": CELERIAC["QUEUES"] | {f"queue{number:02}": {} for number in range(15)},
    "PUBLISHER": "tests.support.event_log.DiaryPublisher",
}
QUEUES = list(CELERIAC["QUEUES"])
