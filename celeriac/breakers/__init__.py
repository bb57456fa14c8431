"""Circuit breakers that every process shares."""
