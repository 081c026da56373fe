"""ringfence_registry."""
