"""The faces, one module per proto service: convert, call, convert."""
