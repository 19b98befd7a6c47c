"""Packed requests: several items of one prompt, each answered as if it had been asked alone."""
