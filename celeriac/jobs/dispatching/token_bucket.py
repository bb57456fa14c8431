"""How fast jobs may be rung behind a circuit: a token bucket. Pure. Times in seconds."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Tokens fill up at a rate; a job takes one. No more than `burst` seconds' worth wait."""

    burst: float
    tokens: float = 1.0
    filled_at: float | None = None

    def fill(self, now: float, rate: float) -> None:
        """Add what came since the last call, at `rate` tokens a second; 0 takes them away."""
        elapsed = 0.0 if self.filled_at is None else max(0.0, now - self.filled_at)
        self.filled_at = now
        most = max(1.0, rate * self.burst) if rate else 0.0
        self.tokens = min(most, self.tokens + elapsed * rate)

    @property
    def has_token(self) -> bool:
        """Whether a job may go now."""
        return self.tokens >= 1.0

    def take(self) -> None:
        self.tokens -= 1.0
