from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the admin's lists order and search by; built beside tables in use."""

    atomic = False

    dependencies = [
        ("breakers", "0002_opened_at"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="transition",
            index=models.Index(fields=["-at", "-id"], name="transition_latest"),
        ),
    ]
