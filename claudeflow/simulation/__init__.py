"""Simulation: the real daemon on the twin in virtual time, and what came of it."""
