"""Operating: what people do to jobs and queues, and what they may ask."""
