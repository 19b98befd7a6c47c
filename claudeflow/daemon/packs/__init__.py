"""Packs at work: formed when their turn comes, sent as one call, answered item by item, checked."""
