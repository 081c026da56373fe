"""Messages and stubs generated from protos/ringfence/pdp/v1."""
