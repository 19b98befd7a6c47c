"""Other people's clients, unmodified, in front of the drop-in endpoint."""
