"""Money: operations that must happen once at a gateway."""
