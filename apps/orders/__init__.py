"""Orders: what a customer buys, pays and is told about."""
