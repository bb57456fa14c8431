from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Left
from django.db.models.lookups import Exact


class Migration(migrations.Migration):
    """What a service account lists, in any collation; built beside a table in use."""

    atomic = False

    dependencies = [("jobs", "0007_job_trace")]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                "enqueued_by",
                models.F("id").desc(),
                name="job_of_api",
                condition=models.Q(Exact(Left("enqueued_by", 4), "api:")),
            ),
        ),
        RemoveIndexConcurrently(model_name="job", name="job_of_account"),
    ]
