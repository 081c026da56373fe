"""Messages to values and back, one module per proto service; the only place input is judged."""
