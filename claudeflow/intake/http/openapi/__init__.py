"""The OpenAPI 3.1 document of the HTTP interface, made from the values that the handlers answer with."""
