"""What a catalog works out of the agents, kept in a file so that a start need not work it out again: a cache."""
