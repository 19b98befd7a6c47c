"""The API's own language at the front door: requests, headers and errors of the Messages API. Pure."""
