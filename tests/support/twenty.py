"""Settings of a deploy with twenty queues, whose dispatchers note what they ring."""

from config.settings.test import *  # noqa: F403 the test's settings, with other queues
from config.settings.test import JOBS_QUEUES

JOBS_QUEUES = {**JOBS_QUEUES, **{f"queue{number:02}": {} for number in range(15)}}
QUEUES = list(JOBS_QUEUES)
JOBS_PUBLISHER = "tests.support.diary.DiaryPublisher"
