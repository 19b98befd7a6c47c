"""Listeners on the event stream, and renderers."""
