"""What Celery runs: the task class, the worker, the publisher and the declared jobs."""
