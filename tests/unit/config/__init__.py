"""How a deployment is put together: image, environment, settings."""
