"""ringfence_identity."""
