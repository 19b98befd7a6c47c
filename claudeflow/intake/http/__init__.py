"""HTTP on the Unix socket: a skin over the intake service."""
