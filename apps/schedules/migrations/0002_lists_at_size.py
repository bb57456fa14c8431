from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the admin's lists order and search by; built beside tables in use."""

    atomic = False

    dependencies = [
        ("django_celery_beat", "0019_alter_periodictasks_options"),
        ("schedules", "0001_initial"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="tick",
            index=models.Index(
                models.OrderBy(models.F("scheduled_for"), descending=True), name="tick_latest"
            ),
        ),
    ]
