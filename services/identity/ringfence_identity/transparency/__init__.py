"""The log of everything identity did: its entries, its checkpoints, and its proofs."""
