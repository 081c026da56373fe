"""Finding agents: the catalog in memory, and every read, search, choice and watch that is answered from it."""
