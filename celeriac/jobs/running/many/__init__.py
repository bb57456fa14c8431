"""Many jobs at once in one process: for queues whose jobs wait for others (`slots=`)."""
