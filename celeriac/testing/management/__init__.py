"""Commands of the test settings."""
