"""What the platform tells machines: metrics, and whether it is alive and ready."""
