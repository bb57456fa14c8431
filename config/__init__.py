"""How this deployment is wired."""
