"""The faces, one module per proto service: convert, call, convert. And the one client telemetry is: of identity."""
