"""The control room's own rows."""

from apps.ops.rollups.models import ErrorRollup, Pass, Rollup, Sample

__all__ = ["ErrorRollup", "Pass", "Rollup", "Sample"]
