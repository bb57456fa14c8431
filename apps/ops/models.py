"""The control room's own rows."""

from apps.ops.flower.models import Flower
from apps.ops.rollups.models import ErrorRollup, Pass, Rollup, Sample
from apps.ops.verbs.models import BulkVerb, Grant

__all__ = ["BulkVerb", "ErrorRollup", "Flower", "Grant", "Pass", "Rollup", "Sample"]
