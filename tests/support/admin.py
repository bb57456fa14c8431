"""What tests do in the admin's lists."""

from django.urls import reverse


def list_of(model):
    """Return the address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def act(client, action, *rows, reason="as told", **fields):
    """Run an action over rows of one list, and confirm it with a reason."""
    page = list_of(type(rows[0]))
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    asked = client.post(page, data, follow=True)
    if asked.context is None or "button" not in asked.context:
        return asked
    return client.post(page, data | {"confirmed": "yes", "reason": reason} | fields, follow=True)
