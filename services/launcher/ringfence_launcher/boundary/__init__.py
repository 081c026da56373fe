"""The commands of `ringfence boundary`, by what they are about; `commands/boundary.py` puts them together."""
