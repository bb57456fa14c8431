"""Verbs over a whole filter: counted, previewed, confirmed, then applied in the background."""
