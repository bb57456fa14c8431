"""What the console's pages are made of: unfold's where it is an installed app, else Django's."""

from django.apps import apps

HAS_UNFOLD = apps.is_installed("unfold")

if HAS_UNFOLD:
    from unfold.sites import UnfoldAdminSite as AdminSite
else:
    from django.contrib.admin import AdminSite

__all__ = ["HAS_UNFOLD", "AdminSite"]
