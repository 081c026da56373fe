"""The faces of identity: convert, call, convert."""
