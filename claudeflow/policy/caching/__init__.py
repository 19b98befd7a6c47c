"""Caching: which prefixes to mark, for how long, and who writes a cold one."""
