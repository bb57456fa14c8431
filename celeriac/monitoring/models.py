"""What monitoring keeps: roll-ups of the past, and what may be granted about Flower."""

from celeriac.monitoring.flower.models import Flower
from celeriac.monitoring.rollups.models import ErrorRollup, Pass, Rollup, Sample

__all__ = ["ErrorRollup", "Flower", "Pass", "Rollup", "Sample"]
