"""Runs the services of the mesh as processes of their own, and speaks to them from outside."""
