"""Users in the admin: known by their email address."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import User
from apps.core.audited import Audited

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(Audited, BaseUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]  # unfold ships no types
    """Who may sign in, and what they may do."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        (
            "May",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "password1", "password2", "is_staff")}),
    )

    def audited_facts(self, obj: User) -> dict[str, Any]:
        """Write down what the person may do now."""
        return {
            "active": obj.is_active,
            "staff": obj.is_staff,
            "superuser": obj.is_superuser,
            "groups": sorted(obj.groups.values_list("name", flat=True)),
            "permissions": sorted(obj.user_permissions.values_list("codename", flat=True)),
        }


@admin.register(Group)
class GroupAdmin(Audited, BaseGroupAdmin, ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Permissions by role."""

    def audited_facts(self, obj: Group) -> dict[str, Any]:
        """Write down what the group may do now."""
        return {"permissions": sorted(obj.permissions.values_list("codename", flat=True))}
