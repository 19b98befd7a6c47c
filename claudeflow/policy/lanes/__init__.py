"""Lanes: whose turn it is, and when jobs may go at all."""
