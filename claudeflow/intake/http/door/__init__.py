"""The sockets, and what is decided about a connection before anybody reads a request."""
