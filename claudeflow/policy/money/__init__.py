"""Money: prices, the most a call can cost, budgets, and whether books agree."""
