"""Calls on their way: who goes, how it is sent, and what becomes of it."""
