"""Two agents that meet: challenges, verdicts, and statements for when this service is away."""
