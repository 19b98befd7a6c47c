"""Wires and runs: the only package with a clock, tasks and signals."""
