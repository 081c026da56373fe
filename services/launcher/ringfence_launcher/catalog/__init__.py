"""The commands of `ringfence catalog`, by what they are for; `commands/catalog.py` puts them together."""
