"""How decisions are made: numbers in, decisions out. Time and chance arrive as arguments."""
