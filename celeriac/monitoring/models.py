"""What monitoring keeps: roll-ups of the past, and what may be granted about Flower."""

from celeriac.monitoring.flower.models import Flower as Flower
from celeriac.monitoring.rollups.models import (
    ErrorRollup as ErrorRollup,
    Pass as Pass,
    Rollup as Rollup,
    Sample as Sample,
)
