"""The landing page: what stands where, what is wrong and why, refreshed without reload."""
