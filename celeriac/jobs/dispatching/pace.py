"""How fast jobs may be rung behind a circuit: a bucket of places. Pure. Times in seconds."""

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """Places fill up at a rate; a job takes one. No more than `burst` seconds' worth wait."""

    burst: float
    places: float = 1.0
    filled_at: float | None = None

    def fill(self, now: float, rate: float) -> None:
        """Add what came since the last call, at `rate` places a second; 0 takes them away."""
        elapsed = 0.0 if self.filled_at is None else max(0.0, now - self.filled_at)
        self.filled_at = now
        most = max(1.0, rate * self.burst) if rate else 0.0
        self.places = min(most, self.places + elapsed * rate)

    @property
    def has_place(self) -> bool:
        """Whether a job may go now."""
        return self.places >= 1.0

    def take(self) -> None:
        """Take a place."""
        self.places -= 1.0
