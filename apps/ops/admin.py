"""The control room's own pages; each topic registers its models."""

from apps.ops.results import GroupResultAdmin, TaskResultAdmin
from apps.ops.verbs.admin import BulkVerbAdmin

__all__ = ["BulkVerbAdmin", "GroupResultAdmin", "TaskResultAdmin"]
