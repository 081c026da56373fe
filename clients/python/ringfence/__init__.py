"""The public client package."""
