"""The policy decision point: may this agent do this, to that, now, and why."""
