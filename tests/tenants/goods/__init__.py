"""What each tenant has of its own."""
