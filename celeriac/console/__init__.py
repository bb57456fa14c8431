"""The control room: what operators and machines see of the platform."""
