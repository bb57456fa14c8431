"""The console: what operators and machines see of the platform."""
