from django.db import migrations, models


class Migration(migrations.Migration):
    """Count runs in a row that lost their connection; the default keeps older code working."""

    dependencies = [("jobs", "0009_worker_answered_at")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="cuts",
            field=models.SmallIntegerField(db_default=0, editable=False),
        ),
    ]
