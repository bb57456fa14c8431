from django.db import migrations, models


class Migration(migrations.Migration):
    """When the database last answered a worker's child."""

    dependencies = [("jobs", "0008_job_of_api")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="answered_at",
            field=models.DateTimeField(null=True, blank=True),
        ),
    ]
