"""The control room's own rows."""

from apps.ops.flower.models import Flower
from apps.ops.rollups.models import ErrorRollup, Pass, Rollup, Sample

__all__ = ["ErrorRollup", "Flower", "Pass", "Rollup", "Sample"]
