"""Who may act: people who sign in and service clients."""
