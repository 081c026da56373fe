"""Objectives in whole numbers and fractions: what is promised, what is left of it, and who used it up."""
