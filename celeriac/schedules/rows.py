"""Rows of django-celery-beat that several schedules may share: each says one thing, once."""

from django.db.models import Model


def shared_row[M: Model](row: M) -> M:
    """Return the saved row that says what `row` says; `row` itself, saved, where there is none."""
    if row.pk is not None:
        return row
    columns = [field for field in row._meta.concrete_fields if not field.primary_key]
    values = {field.attname: getattr(row, field.attname) for field in columns}
    found: M | None = type(row)._default_manager.filter(**values).order_by("pk").first()
    if found is None:
        row.save()
    return found or row
