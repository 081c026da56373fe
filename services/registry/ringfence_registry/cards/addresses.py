"""The addresses in a card, taken apart. Nothing here looks a name up or opens a connection.

An address is an absolute URL with a host, or what gRPC dials: `host:port`, `dns:///host:port`, `ipv4:1.2.3.4:443`.
"""

import re
from dataclasses import dataclass

_DIALLED = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@?#\[\]<>{}|^`\x22]+)(:(?P<port>[0-9]{1,5}))?(?P<path>/\S*)?")
_RESOLVED = re.compile(r"(?:dns:(?://[^/]*/)?|ipv[46]:)(?P<target>\S+)", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^/?#]*@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[^\]/?#]*)?\]|[^/?#:@\[\]<>{}|^`\x22]+)"
    r"(?::(?P<port>[0-9]{0,5}))?(?:[/?#].*)?",
    re.DOTALL,
)
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an address leads."""

    host: str
    """In lower case, without the brackets of an IPv6 address."""
    scheme: str = ""
    """In lower case; empty for what is dialled directly."""
    port: int | None = None
    has_credentials: bool = False
    """Whether it carries user information (RFC 3986 3.2.1)."""


def parse_address(text: str) -> Address | None:
    """Return what `text` leads to, or None when it is no address."""
    if _NOT_IN_URLS.search(text):
        return None
    if resolved := _RESOLVED.fullmatch(text):
        return _dialled(resolved["target"])
    return _url(text) if "://" in text else _dialled(text)


def normal_address(text: str) -> str:
    """Return the same for addresses that lead to the same place whatever is there (RFC 3986 6.2.2, 6.2.3)."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text.lower()
    place = min((at for each in "/?#" if (at := rest.find(each)) >= 0), default=len(rest))
    authority, path = rest[:place].lower(), rest[place:]
    default_port = {"https": ":443", "http": ":80"}.get(scheme.lower(), "")
    return f"{scheme.lower()}://{authority.removesuffix(default_port)}{'' if path == '/' else path}"


def _url(text: str) -> Address | None:
    matched = _URL.fullmatch(text)
    if matched is None:
        return None
    port = int(matched["port"] or 0)
    host = matched["host"].strip("[]").rstrip(".").lower()
    if not host or port > 65_535:
        return None
    return Address(host, matched["scheme"].lower(), port or None, matched["user"] is not None)


def _dialled(text: str) -> Address | None:
    matched = _DIALLED.fullmatch(text)
    if matched is None:
        return None
    host, port = matched["host"].strip("[]").rstrip(".").lower(), int(matched["port"] or 0)
    # A lone word is no address; it takes a port or a dot to tell one from a path.
    if not host or port > 65_535 or not (port or "." in host or ":" in host or host == "localhost"):
        return None
    return Address(host, port=port or None)
