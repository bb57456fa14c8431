from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What a service account lists; built beside a table in use."""

    atomic = False

    dependencies = [("jobs", "0002_storage")]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                "enqueued_by",
                models.F("id").desc(),
                name="job_of_account",
                condition=models.Q(enqueued_by__gt="api:", enqueued_by__lt="api;"),
            ),
        ),
    ]
