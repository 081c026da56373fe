"""The commands, one module each: `app` is what `cli.py` puts under the module's name."""
