"""Order between jobs: the rows of flows, and how they move."""
