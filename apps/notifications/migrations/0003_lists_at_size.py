import django.db.models.functions.text
from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the admin's lists order and search by; built beside tables in use."""

    atomic = False

    dependencies = [
        ("notifications", "0002_campaigns"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="email",
            index=models.Index(
                OpClass(django.db.models.functions.text.Lower("recipient"), "text_pattern_ops"),
                name="email_recipient_begins",
            ),
        ),
        AddIndexConcurrently(
            model_name="recipient",
            index=models.Index(
                OpClass(django.db.models.functions.text.Lower("address"), "text_pattern_ops"),
                name="recipient_address_begins",
            ),
        ),
        AddIndexConcurrently(
            model_name="recipient",
            index=models.Index(
                models.F("provider_id"),
                condition=models.Q(("provider_id", ""), _negated=True),
                name="recipient_provider_id",
            ),
        ),
        RemoveIndexConcurrently(
            model_name="email",
            name="email_recipient",
        ),
        RemoveIndexConcurrently(
            model_name="recipient",
            name="recipient_address",
        ),
    ]
