"""Messages and stubs generated from protos/ringfence/registry/v1."""
