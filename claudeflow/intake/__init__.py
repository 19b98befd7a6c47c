"""What turns a producer's words into a NewJob."""
