from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the admin's lists order and search by; built beside tables in use."""

    atomic = False

    dependencies = [
        ("payments", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="difference",
            index=models.Index(
                models.F("reference"),
                condition=models.Q(("reference", ""), _negated=True),
                name="difference_reference",
            ),
        ),
        AddIndexConcurrently(
            model_name="difference",
            index=models.Index(
                models.F("provider_id"),
                condition=models.Q(("provider_id", ""), _negated=True),
                name="difference_provider_id",
            ),
        ),
        AddIndexConcurrently(
            model_name="operation",
            index=models.Index(
                models.F("provider_id"),
                condition=models.Q(("provider_id", ""), _negated=True),
                name="operation_provider_id",
            ),
        ),
        AddIndexConcurrently(
            model_name="webhookevent",
            index=models.Index(
                models.F("object_id"),
                condition=models.Q(("object_id", ""), _negated=True),
                name="webhook_object",
            ),
        ),
    ]
