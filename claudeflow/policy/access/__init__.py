"""Who may do what: roles, grants, and what is refused. Pure: names were resolved to ids before."""
