"""Trust boundaries: which agents and external systems are governed together."""
