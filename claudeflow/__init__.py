"""claudeflow: a daemon that holds, paces, caches and books a team's Claude API calls."""

__version__ = "0.1.0"
