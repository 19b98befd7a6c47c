"""`claudeflow simulate`: the real daemon on a simulated API in virtual time."""
