"""The Message Batches API: requests handed in together, worked at in waves, and answered at half price."""
