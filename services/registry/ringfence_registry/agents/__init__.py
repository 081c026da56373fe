"""Agents through their lives: how they come, change, serve and end."""
