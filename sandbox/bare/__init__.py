"""`make bare`: a platform with this one's top level, and an empty domain."""
