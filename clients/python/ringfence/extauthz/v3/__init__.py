"""Stubs of the part of Envoy's ext_authz that the pdp speaks, generated from protos/ringfence/extauthz."""
