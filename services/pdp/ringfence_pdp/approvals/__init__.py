"""People who say yes before an agent may."""
