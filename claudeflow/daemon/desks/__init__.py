"""Desks: what the front doors may ask for, answered."""
