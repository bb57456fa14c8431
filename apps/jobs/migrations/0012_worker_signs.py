import django.contrib.postgres.fields
from django.db import migrations, models

from apps.core.clock import Now


class Migration(migrations.Migration):
    """What a worker's children run, when it woke up, and signs of life beside its row."""

    dependencies = [("jobs", "0011_answers")]

    operations = [
        migrations.CreateModel(
            name="Sign",
            fields=[
                ("worker", models.UUIDField(primary_key=True, serialize=False)),
                ("given_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.AddField(
            model_name="worker",
            name="running",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="woke_at",
            field=models.DateTimeField(null=True, blank=True),
        ),
    ]
