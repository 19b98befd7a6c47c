"""Message Batches at work: gathered, created, watched, read, and whatever goes wrong on the way."""
