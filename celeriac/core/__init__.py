"""What every app may lean on: clock, errors, ids, logging context."""
