"""Budgets at work: what is reserved, and what their thresholds do."""
