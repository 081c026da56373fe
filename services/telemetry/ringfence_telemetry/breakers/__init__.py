"""Circuit breakers, one for each agent and skill, shared by everybody who calls it."""
