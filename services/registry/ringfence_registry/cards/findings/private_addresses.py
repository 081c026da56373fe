"""Addresses in a card that lead into somebody's network: to a caller elsewhere they lead elsewhere, or to trouble.

Nothing is resolved: a public name may lead to a private address all the same, which whoever connects has to check.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

from ringfence_registry.cards.addresses import parse_address
from ringfence_registry.cards.findings.secrets import safe_pointer
from ringfence_registry.cards.findings.texts import CardText, Texts
from ringfence_registry.cards.model import CardContent, CardFinding, FindingKind, Severity

_LONGEST_SCHEME = 32
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA_ADDRESSES = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
)
_LOOPBACK_NAMES = frozenset({"localhost", "localtest.me", "lvh.me"})
_PRIVATE_NAMES = frozenset(
    {"local", "internal", "intranet", "lan", "corp", "home", "private", "home.arpa", "svc"}  # cluster.local among them
)
_REBINDING_NAMES = frozenset({"nip.io", "sslip.io", "xip.io"})
_EMBEDDED = re.compile(r"(?:^|[.-])([0-9]{1,3}(?:[.-][0-9]{1,3}){3})(?=[.-])")
_NUMBER = r"(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,16})"
_NUMERIC_HOST = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_WITH_IPV4_AT_ITS_END = tuple(
    # RFC 6052 2.1; RFC 2765 2.1; RFC 4291 2.5.5.1, which no longer means anything and still leads somewhere
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96"))
)
_LETTERS_AND_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def private_addresses_in(texts: Texts, content: CardContent) -> Iterator[CardFinding]:
    """Yield a finding for each address that is not one for everybody, in document order."""
    urls = [text for text in texts.values if text.find("://", 0, _LONGEST_SCHEME) > 0]
    urls += [interface.url for interface in content.interfaces]  # what is dialled has no scheme
    if not any((address := parse_address(url)) and judge_host(address.host) for url in urls):
        return
    for each in texts:
        if _is_address(each) and (address := parse_address(each.text)) and (found := judge_host(address.host)):
            severity, problem = found
            yield CardFinding(FindingKind.PRIVATE_ADDRESS, severity, safe_pointer(each.path), problem)


def judge_host(host: str) -> tuple[Severity, str] | None:
    """Return how much it matters that a card names this host, and why; None for a host like any other."""
    host = _as_looked_up(host)
    if address := _ip_of(host):
        return _judge_ip(address)
    if host in _METADATA_NAMES:
        return Severity.CRITICAL, "leads to a cloud's metadata service, which hands out credentials"
    labels = host.rsplit(".", 2)
    under = {labels[-1], ".".join(labels[-2:])}
    if under & _LOOPBACK_NAMES:
        return Severity.WARNING, "leads to the caller's own machine"
    if under & _REBINDING_NAMES and (embedded := _EMBEDDED.search(host)):
        return _judge_ip(ipaddress.ip_address(_dotted(embedded[1]))) if _dotted(embedded[1]) else None
    if len(labels) == 1 or under & _PRIVATE_NAMES:
        return Severity.INFO, "is a name that only a private network knows"
    return None


def _is_address(at: CardText) -> bool:
    return not at.is_name and (at.text.find("://", 0, _LONGEST_SCHEME) > 0 or at.member == "url")


def _judge_ip(address: _Address) -> tuple[Severity, str] | None:
    if address in _METADATA_ADDRESSES:
        return Severity.CRITICAL, "leads to a cloud's metadata service, which hands out credentials"
    if address.is_loopback or address.is_unspecified:
        return Severity.WARNING, "leads to the caller's own machine"
    if address.is_link_local:
        return Severity.WARNING, "leads to the caller's own link"
    if address.is_multicast or (address.version == 4 and address in _SHARED) or not address.is_global:
        return Severity.INFO, "is an address of a private network"
    return None


def _as_looked_up(host: str) -> str:
    """Return the host as clients look it up: decoded (RFC 3986 3.2.2), compatibility forms plain (UTS 46, 4)."""
    plain = unquote(host) if "%" in host and ":" not in host else host
    return plain if plain.isascii() else unicodedata.normalize("NFKC", plain.translate(_LETTERS_AND_DOTS)).lower()


def _ip_of(host: str) -> _Address | None:
    """Return the address a host is, in any of the ways resolvers read one: dotted, decimal, octal, hexadecimal."""
    if ":" in host:
        try:
            address = ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and int(address) > 1 and any(address in network for network in _WITH_IPV4_AT_ITS_END):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        return inner or address
    return _inet_aton(host) if _NUMERIC_HOST.fullmatch(host) else None


def _inet_aton(host: str) -> ipaddress.IPv4Address | None:
    *firsts, last = (_number(part) for part in host.split("."))
    value = 0
    for first in firsts:
        if not 0 <= first <= 255:
            return None
        value = value << 8 | first
    left = 8 * (4 - len(firsts))
    return ipaddress.IPv4Address(value << left | last) if 0 <= last < 1 << left else None


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text, 16)
    if text.startswith("0") and len(text) > 1:
        return int(text, 8) if set(text) <= set("01234567") else -1
    return int(text)


def _dotted(text: str) -> str:
    parts = re.split(r"[.-]", text)
    return ".".join(str(int(part)) for part in parts) if all(int(part) < 256 for part in parts) else ""
