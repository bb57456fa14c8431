"""Flower behind Django's login: shown to those who may see it, and changed by nobody."""
