"""Where an agent is reached: one list of interfaces from a card of any A2A generation.

- 1.0 has `supportedInterfaces`, in order of preference (A2A 1.0 4.4.6).
- 0.3 has `url` with `preferredTransport` (JSONRPC unless said), more under `additionalInterfaces`, and one
  `protocolVersion` for all; 0.2 has `url` alone.
- A hybrid has both; what 1.0 says comes first, and an endpoint both name is listed once.
- Bindings are normalised for search; the card keeps its own spelling.
"""

import re

from ringfence_registry.cards.members import CardObject, CardReader, Need
from ringfence_registry.cards.model import CardDialect, CardInterface

_OLD_MEMBERS = ("url", "preferredTransport", "additionalInterfaces", "supportsAuthenticatedExtendedCard")
_BINDINGS = {
    "jsonrpc": "JSONRPC",
    "json-rpc": "JSONRPC",
    "jsonrpc+http": "JSONRPC",
    "grpc": "GRPC",
    "http+json": "HTTP+JSON",
    "rest": "HTTP+JSON",
}
_VERSION = re.compile(r"(?P<minor>(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3}))(?P<patch>\.[0-9]{1,4})?", re.ASCII)


def dialect_of(card: CardObject, reader: CardReader) -> CardDialect:
    """Tell the generation from the members present; a card that says nowhere where it is reached counts as 1.0."""
    old = any(reader.has(card, member) for member in _OLD_MEMBERS)
    if reader.has(card, "supportedInterfaces"):
        return CardDialect.HYBRID if old else CardDialect.V1_0
    if not old:
        return CardDialect.V1_0
    newer_than_0_2 = ("protocolVersion", "preferredTransport", "additionalInterfaces")
    return CardDialect.V0_3 if any(reader.has(card, member) for member in newer_than_0_2) else CardDialect.V0_2


def interfaces_of(card: CardObject, dialect: CardDialect, reader: CardReader) -> tuple[CardInterface, ...]:
    """Return every endpoint once, the preferred first. A card without one is refused."""
    found: list[CardInterface] = []
    if dialect in {CardDialect.V1_0, CardDialect.HYBRID}:
        found += _interfaces_of_1_0(card, reader)
    if dialect is not CardDialect.V1_0:
        found += _interfaces_of_0_3(card, dialect, reader)
    once: dict[tuple[str, str], CardInterface] = {}
    for interface in found:
        once.setdefault((interface.url, interface.protocol_binding), interface)
    return tuple(once.values())


def _interfaces_of_1_0(card: CardObject, reader: CardReader) -> list[CardInterface]:
    found = []
    for entry in reader.objects(card, "supportedInterfaces", Need.REQUIRED):
        version = reader.text(entry, "protocolVersion", Need.EXPECTED)
        if (matched := _VERSION.fullmatch(version)) and matched["patch"]:
            reader.remark(reader.place(entry, "protocolVersion"), "has a patch number; A2A versions are Major.Minor")
        found.append(
            CardInterface(
                url=reader.text(entry, "url", Need.REQUIRED),
                protocol_binding=_binding(reader.text(entry, "protocolBinding", Need.EXPECTED)),
                protocol_version=_version(version),
                tenant=reader.text(entry, "tenant"),
            )
        )
    return found


def _interfaces_of_0_3(card: CardObject, dialect: CardDialect, reader: CardReader) -> list[CardInterface]:
    # A hybrid is reached through its 1.0 interfaces, so its old members may be incomplete.
    need = Need.OPTIONAL if dialect is CardDialect.HYBRID else Need.REQUIRED
    version = _version(reader.text(card, "protocolVersion")) or ("0.2" if dialect is CardDialect.V0_2 else "0.3")
    found = []
    if url := reader.text(card, "url", need):
        binding = _binding(reader.text(card, "preferredTransport") or "JSONRPC")
        found.append(CardInterface(url=url, protocol_binding=binding, protocol_version=version))
    for entry in reader.objects(card, "additionalInterfaces"):
        binding = _binding(reader.text(entry, "transport", Need.EXPECTED))
        url = reader.text(entry, "url", Need.REQUIRED)
        found.append(CardInterface(url=url, protocol_binding=binding, protocol_version=version))
    return found


def _binding(text: str) -> str:
    return _BINDINGS.get(text.lower(), text)


def _version(text: str) -> str:
    matched = _VERSION.fullmatch(text)
    return matched["minor"] if matched else text
