"""Analysers: what a statement, a command line, a path or a URL does, once it is read as what it is."""
