"""One module per verb; heavy imports happen inside the verb."""
