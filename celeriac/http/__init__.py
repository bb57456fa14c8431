"""The HTTP API: version 1 of the API."""
