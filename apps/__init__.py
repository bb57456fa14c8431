"""The Django apps of the platform. None of them imports Celery."""
