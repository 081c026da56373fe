"""Everything needed to check, offline and trusting nobody, what a mesh has signed or logged."""
