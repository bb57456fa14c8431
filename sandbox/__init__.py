"""Stand-ins for a laptop. Never imported by production code."""
