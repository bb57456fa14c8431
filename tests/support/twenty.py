"""Settings of a deploy with twenty queues, whose dispatchers note what they ring."""

from config.settings.test import *  # noqa: F403 the test's settings, with other queues

QUEUES = [f"queue{number:02}" for number in range(20)]
JOBS_QUEUES = {name: {} for name in QUEUES}
JOBS_PUBLISHER = "tests.support.diary.DiaryPublisher"
