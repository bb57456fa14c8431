"""A hundred tests that do nothing, for a project's own suite: what their ends take is written."""

import os
import time

from django.test import TransactionTestCase


class Empty(TransactionTestCase):
    """Begins when the first test does, and has ended when the last one's rows are gone."""

    begun = None

    @classmethod
    def setUpClass(cls):
        """Begin."""
        super().setUpClass()
        cls.begun = time.perf_counter()

    @classmethod
    def tearDownClass(cls):
        """Write how long it took."""
        with open(os.environ["HOSTS_SECONDS"], "w") as file:
            file.write(str(time.perf_counter() - cls.begun))
        super().tearDownClass()


for number in range(100):
    setattr(Empty, f"test_{number:03}", lambda self: None)
