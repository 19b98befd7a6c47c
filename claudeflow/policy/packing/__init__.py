"""Packing: several small jobs of one prompt in one call, and which of its answers can be trusted."""
