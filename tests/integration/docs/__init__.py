"""What README and docs say is run."""
