"""Domain values as the public JSON."""
