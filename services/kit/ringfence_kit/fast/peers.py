"""Who is at the other end of a connection, in the words gRPC has for it."""

import ssl
from asyncio import BaseTransport
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

ALPN = "h2"

_IPV4_PARTS = 2


def peer_of(transport: BaseTransport) -> str:
    """Return `ipv4:127.0.0.1:40123` or `ipv6:%5B::1%5D:40123`; `unknown` when the socket does not say."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "unknown"
    host, port = name[:2]
    if len(name) == _IPV4_PARTS:
        return f"ipv4:{host}:{port}"
    return f"ipv6:{quote(f'[{host}]', safe=':')}:{port}"


def speaks_http2(transport: BaseTransport) -> bool:
    """Say whether HTTP/2 was agreed on; in the clear it is known beforehand (RFC 9113, 3.3)."""
    tls = transport.get_extra_info("ssl_object")
    return tls is None or tls.selected_alpn_protocol() == ALPN


def auth_of(transport: BaseTransport) -> Mapping[str, Any]:
    """Return what the client's certificate says of it, under gRPC's names; empty without a certificate."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return {}
    der = tls.getpeercert(binary_form=True)
    if not der:
        return {}
    names = (tls.getpeercert() or {}).get("subjectAltName", ())
    return {
        "x509_pem_cert": [ssl.DER_cert_to_PEM_cert(der).encode()],
        "peer_uri": [value.encode() for kind, value in names if kind == "URI"],
        "peer_dns": [value.encode() for kind, value in names if kind == "DNS"],
    }
