"""Messages and stubs generated from protos/ringfence/identity/v1."""
