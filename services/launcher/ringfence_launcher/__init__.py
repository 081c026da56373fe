"""ringfence_launcher."""
