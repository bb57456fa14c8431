"""The audit trail in the admin: searched, never edited."""

from django.contrib import admin

from apps.core.models import Audit
from apps.core.readonly import ReadOnlyAdmin


@admin.register(Audit)
class AuditAdmin(ReadOnlyAdmin):
    """Who did what to what, and why."""

    list_display = ("at", "actor_name", "verb", "target_type", "target_id", "count", "reason")
    list_filter = ("target_type",)
    search_fields = ("actor_name", "verb", "target_id", "reason")
    ordering = ("-at",)
    list_select_related = ("actor",)
