"""What the console's pages are made of: unfold's where it is an installed app, else Django's."""

from django.apps import apps

HAS_UNFOLD = apps.is_installed("unfold")

if HAS_UNFOLD:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.decorators import action, display
    from unfold.enums import ActionVariant
    from unfold.forms import BaseDialogForm
    from unfold.paginator import InfinitePaginator
    from unfold.sites import UnfoldAdminSite as AdminSite
    from unfold.views import ChangeList
    from unfold.widgets import (
        UnfoldAdminCheckboxSelectMultipleWidget as CheckboxSelectMultipleWidget,
        UnfoldAdminDecimalFieldWidget as DecimalFieldWidget,
        UnfoldAdminIntegerFieldWidget as IntegerFieldWidget,
        UnfoldAdminSelectWidget as SelectWidget,
        UnfoldAdminSplitDateTimeWidget as SplitDateTimeWidget,
        UnfoldAdminTextareaWidget as TextareaWidget,
        UnfoldAdminTextInputWidget as TextInputWidget,
    )
else:
    from django.contrib.admin import AdminSite, TabularInline
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.admin.widgets import (
        AdminIntegerFieldWidget as IntegerFieldWidget,
        AdminSplitDateTime as SplitDateTimeWidget,
        AdminTextareaWidget as TextareaWidget,
        AdminTextInputWidget as TextInputWidget,
    )
    from django.core.paginator import Paginator as InfinitePaginator
    from django.forms import (
        CheckboxSelectMultiple as CheckboxSelectMultipleWidget,
        NumberInput as DecimalFieldWidget,
        Select as SelectWidget,
    )

    from celeriac.console.plain import (
        ActionVariant,
        BaseDialogForm,
        ModelAdmin,
        action,
        display,
    )

__all__ = [
    "HAS_UNFOLD",
    "ActionVariant",
    "AdminSite",
    "BaseDialogForm",
    "ChangeList",
    "CheckboxSelectMultipleWidget",
    "DecimalFieldWidget",
    "InfinitePaginator",
    "IntegerFieldWidget",
    "ModelAdmin",
    "SelectWidget",
    "SplitDateTimeWidget",
    "TabularInline",
    "TextInputWidget",
    "TextareaWidget",
    "action",
    "display",
]
