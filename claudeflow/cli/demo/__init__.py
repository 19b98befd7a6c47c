"""The demo: a morning's work against the twin."""
