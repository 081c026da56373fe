"""The closed loop, played in a mesh of its own: evidence, trust, ring, decision, and back."""
