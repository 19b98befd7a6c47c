"""Programs that play on the stage. Each is a script; all but `producer` know nothing of claudeflow."""
