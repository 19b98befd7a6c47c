"""Message Batches: which jobs go there, when a batch leaves, and what becomes of late or lost ones."""
