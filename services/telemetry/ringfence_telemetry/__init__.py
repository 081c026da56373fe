"""The telemetry service: what happened, what it cost, and a log of decisions nobody can rewrite."""
