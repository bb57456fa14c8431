from django.db import migrations, models


class Migration(migrations.Migration):
    """Finding what expired, and who is next behind a lock: both only over rows that have one."""

    dependencies = [("jobs", "0002_storage")]

    operations = [
        migrations.AddIndex(
            "job",
            models.Index(
                "expires_at",
                name="job_expiring",
                condition=models.Q(state="queued", attempt=0, expires_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                "lock_key",
                models.F("priority").desc(),
                "run_at",
                "id",
                name="job_lock_queue",
                condition=models.Q(state="queued", lock_key__isnull=False),
            ),
        ),
    ]
