"""Email: messages that must be sent once."""
