"""Classifiers of intent that somebody else runs: asked in time, believed upwards only, and never waited for twice."""
