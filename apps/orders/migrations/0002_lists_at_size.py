import django.db.models.functions.text
from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the admin's lists order and search by; built beside tables in use."""

    atomic = False

    dependencies = [
        ("orders", "0001_initial"),
        ("payments", "0003_lists_at_size"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                OpClass(django.db.models.functions.text.Lower("email"), "text_pattern_ops"),
                name="order_email_begins",
            ),
        ),
        RemoveIndexConcurrently(
            model_name="order",
            name="order_email",
        ),
    ]
