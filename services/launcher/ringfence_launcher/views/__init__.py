"""How what the services return looks in a terminal; one module for each of their nouns."""
