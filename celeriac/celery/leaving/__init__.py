"""The way in by degrees, and the way back: routes, shadow, handback, and what they are read by."""
