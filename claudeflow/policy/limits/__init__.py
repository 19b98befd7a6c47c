"""Limits: the pace of one pool, learned from what the API says."""
