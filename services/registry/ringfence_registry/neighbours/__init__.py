"""What identity and telemetry say of agents: two feeds, and the views of them that the registry asks."""
