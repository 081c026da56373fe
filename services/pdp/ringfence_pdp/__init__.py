"""ringfence_pdp."""
