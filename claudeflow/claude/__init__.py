"""The Anthropic API: the only package that imports the SDK."""
