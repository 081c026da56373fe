"""What a host is, however it is written: a name, an address in any notation, and where that address is.

The rules:

- an address is read as resolvers read it: decimal, octal and hexadecimal, one to four parts, IPv6 with IPv4 inside;
- a name that stands for an address by how it is made (`127.0.0.1.nip.io`) is that address;
- nothing is looked up.
"""

import enum
import ipaddress
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from ringfence_pdp.filters.words import word_set

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Where(enum.Enum):
    """Where a host is."""

    METADATA = "metadata"
    """The service that hands a cloud machine its credentials."""
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC_ADDRESS = "public address"
    INTERNAL_NAME = "internal name"
    COLLECTOR = "collector"
    """A service that shows to whoever made an account what was sent to it."""
    NAME = "name"
    NONE = "none"
    """No host at all."""


_METADATA: Final = word_set(
    "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254 fd20:ce::254"
)
_METADATA_NAMES: Final = word_set(
    "metadata metadata.google.internal metadata.goog instance-data instance-data.ec2.internal metadata.azure.com"
    " metadata.azure.internal metadata.packet.net rancher-metadata"
)
_COLLECTORS: Final = re.compile(
    r"(?:^|\.)(?:webhook\.site|requestbin\.(?:com|net)|requestcatcher\.com|hookbin\.com|pipedream\.net|beeceptor\.com"
    r"|ngrok\.(?:io|app)|ngrok-free\.app|burpcollaborator\.net|oastify\.com|oast\.(?:fun|pro|live|site|online|me)"
    r"|interact\.sh|interactsh\.com|canarytokens\.(?:com|org)|dnslog\.cn|ceye\.io|transfer\.sh|file\.io|0x0\.st"
    r"|termbin\.com|pastebin\.com|ix\.io|sprunge\.us|paste\.ee|hastebin\.com|serveo\.net|localhost\.run"
    r"|trycloudflare\.com"
    r"|loca\.lt|requestrepo\.com|anonfiles\.com|gofile\.io|bashupload\.com|temp\.sh|catbox\.moe|x8\.io"
    r"|requestinspector\.com)$"
)
_WILDCARD: Final = re.compile(
    r"(?:^|[.-])(\d{1,3})[.-](\d{1,3})[.-](\d{1,3})[.-](\d{1,3})\.(?:nip\.io|sslip\.io|xip\.io|xip\.name|traefik\.me)$"
)
_LOCAL: Final = re.compile(
    r"(?:^|\.)(?:localhost|localhost6|localdomain|localtest\.me|lvh\.me|vcap\.me|lacolhost\.com|127-0-0-1\.org\.uk)$"
)
_INTERNAL: Final = re.compile(
    r"^[^.]*$|(?:^|\.)(?:internal|local|lan|corp|intranet|home\.arpa|svc|cluster\.local|consul)$"
)
_NUMBERS: Final = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}", re.ASCII)
_NAME: Final = re.compile(r"^[\w\-]{1,63}(?:\.[\w\-]{1,63}){0,16}$")
_BY_NAME: Final = (
    (_LOCAL, Where.LOOPBACK),
    (_COLLECTORS, Where.COLLECTOR),
    (_INTERNAL, Where.INTERNAL_NAME),
    (_NAME, Where.NAME),
)
_SITE: Final = ipaddress.ip_network("fc00::/7")
_CARRIER: Final = ipaddress.ip_network("100.64.0.0/10")
_TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")


def where(host: str) -> Where:
    """Return where `host` is: lower case, without port and brackets."""
    host = host.rstrip(".")
    if not host:
        return Where.NONE
    address = address_of(host)
    if address is not None:
        return _where_address(address)
    if host in _METADATA_NAMES:
        return Where.METADATA
    return next((place for pattern, place in _BY_NAME if pattern.search(host)), Where.NONE)


def is_disguised(host: str) -> bool:
    """Say whether an address is written as nobody writes one who means well."""
    address = address_of(host.rstrip("."))
    if address is None:
        return False
    if _WILDCARD.search(host):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return str(address) != host.rstrip(".")
    return _inside(address) is not None


def address_of(host: str) -> Address | None:
    """Return the address `host` is, in whichever notation, or None for a name."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
    wildcard = _WILDCARD.search(host)
    if wildcard is not None:
        return _from_parts([int(part) for part in wildcard.groups()])
    if not _NUMBERS.fullmatch(host) or len(host) > 64:
        return None
    return _from_parts([_number(part) for part in host.split(".")])


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part, 16)
    if part.startswith("0") and len(part) > 1 and not set(part) & {"8", "9"}:
        return int(part, 8)
    return int(part)


def _from_parts(parts: Sequence[int]) -> ipaddress.IPv4Address | None:
    """Return the address of one to four numbers, the last of which fills what is left (inet_aton)."""
    *first, last = parts
    if any(part > 255 for part in first) or last >= 256 ** (4 - len(first)):
        return None
    value = last
    for place, part in enumerate(first):
        value += part << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address an IPv6 address carries, if it does."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _TRANSLATED or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _where_address(address: Address) -> Where:
    inner = _inside(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return _where_address(inner)
    if str(address) in _METADATA:
        return Where.METADATA
    if address.is_loopback or address.is_unspecified:
        return Where.LOOPBACK
    if address.is_link_local:
        return Where.LINK_LOCAL
    if address.is_private or address in _SITE or address in _CARRIER:
        return Where.PRIVATE
    return Where.PUBLIC_ADDRESS
