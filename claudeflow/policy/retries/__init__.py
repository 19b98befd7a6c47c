"""Retries and holds: what a failed call means for its job and for all others."""
