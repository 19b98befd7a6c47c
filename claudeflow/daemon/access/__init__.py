"""Who may do what, at work: grants in force, and what their callers have used."""
