"""The HTTP door: version 1 of the API."""
