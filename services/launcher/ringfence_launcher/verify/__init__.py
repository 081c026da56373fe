"""Checking offline what the mesh has signed: files in, a verdict out, no network."""
