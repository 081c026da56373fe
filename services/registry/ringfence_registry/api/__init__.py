"""The registry as it is served: a module for each service of the contract, each method converts, calls, converts."""
