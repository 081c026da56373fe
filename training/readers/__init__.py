"""Takes the texts out of the sources, by the label rules of `SOURCES.toml`."""
