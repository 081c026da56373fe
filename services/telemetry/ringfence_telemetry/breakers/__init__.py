"""Circuit breakers of agents and their skills: shared by all who call them."""
