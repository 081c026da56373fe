"""Where an agent is reached: one list of interfaces from a card of any A2A generation.

- 1.0 has `supportedInterfaces`, in order of preference (A2A 1.0 4.4.6).
- 0.3 has `url` with `preferredTransport` (JSONRPC unless said), more under `additionalInterfaces`, and one
  `protocolVersion` for all; 0.2 has `url` alone, and the last of it all of that.
- A hybrid has both; what 1.0 says comes first, and what both say is listed once.
- Bindings and versions are normalised for search; the card keeps its own spelling.
"""

import re
from collections.abc import Collection

from ringfence_registry.cards.addresses import parse_address
from ringfence_registry.cards.members import CardObject, CardReader, Need, has
from ringfence_registry.cards.model import CardDialect, CardInterface
from ringfence_registry.cards.sections import CUSTOM_BINDING, DECLARATION, INTERFACE, VERSIONS
from ringfence_registry.cards.strict_json import JsonPath

CORE_BINDINGS = frozenset({"JSONRPC", "GRPC", "HTTP+JSON"})

_OLD_MEMBERS = ("url", "preferredTransport", "additionalInterfaces", "supportsAuthenticatedExtendedCard")
_NEWER_THAN_0_2 = ("protocolVersion", "preferredTransport", "additionalInterfaces")
_BEFORE_0_3 = ("0.0", "0.1", "0.2")
_BINDINGS = {
    "jsonrpc": "JSONRPC",
    "json-rpc": "JSONRPC",
    "jsonrpc+http": "JSONRPC",
    "jsonrpc2.0": "JSONRPC",
    "grpc": "GRPC",
    "http+json": "HTTP+JSON",
    "http_json": "HTTP+JSON",
    "http-json": "HTTP+JSON",
    "rest": "HTTP+JSON",
}
_VERSION = re.compile(
    r"(?P<v>[vV])?(?P<minor>(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3}))(?P<patch>\.[0-9]{1,4})?", re.ASCII
)


def dialect_of(card: CardObject) -> CardDialect:
    """Tell the generation from the members present; a card that says nowhere where it is reached counts as 1.0."""
    old = any(has(card, member) for member in _OLD_MEMBERS)
    if has(card, "supportedInterfaces"):
        return CardDialect.HYBRID if old else CardDialect.V1_0
    stated = card.members.get("protocolVersion")
    if isinstance(stated, str) and stated.startswith(_BEFORE_0_3):
        return CardDialect.V0_2
    if any(has(card, member) for member in _NEWER_THAN_0_2):
        return CardDialect.V0_3
    return CardDialect.V0_2 if old else CardDialect.V1_0


def interfaces_of(card: CardObject, dialect: CardDialect, reader: CardReader) -> tuple[CardInterface, ...]:
    """Return every interface once, the preferred first."""
    found: list[CardInterface] = []
    if dialect in {CardDialect.V1_0, CardDialect.HYBRID}:
        found += _interfaces_of_1_0(card, reader)
    if dialect is not CardDialect.V1_0:
        found += _interfaces_of_0_3(card, dialect, reader, {each.url for each in found})
    once: dict[tuple[str, str, str], CardInterface] = {}
    for interface in found:
        once.setdefault((interface.url, interface.protocol_binding, interface.protocol_version), interface)
    return tuple(once.values())


def _interfaces_of_1_0(card: CardObject, reader: CardReader) -> list[CardInterface]:
    found = []
    for entry in reader.objects(card, "supportedInterfaces", INTERFACE, Need.VITAL):
        url = reader.text(entry, "url", Need.VITAL)
        binding = _either(reader, entry, "protocolBinding", "transport")
        version = _version_of(entry, card, reader)
        _judge_address(url, normal_binding(binding), (entry.path, "url"), reader)
        _judge_binding(binding, reader.place(entry, "protocolBinding"), reader)
        found.append(
            CardInterface(
                url=url,
                protocol_binding=normal_binding(binding),
                protocol_version=normal_version(version),
                tenant=reader.text(entry, "tenant"),
            )
        )
    return [interface for interface in found if interface.url]


def _version_of(entry: CardObject, card: CardObject, reader: CardReader) -> str:
    """Return what an interface of 1.0 says it speaks; drafts of 1.0 said it once for all interfaces."""
    if not has(entry, "protocolVersion") and (shared := _shared_version(card, reader)):
        place = reader.place(entry, "protocolVersion")
        reader.reasons.translate(place, INTERFACE, "is missing; the card's own protocolVersion is read in its place")
        if not _VERSION.fullmatch(shared):
            reader.reasons.violate(reader.place(card, "protocolVersion"), VERSIONS, "is not a version")
        return shared
    version = reader.text(entry, "protocolVersion", Need.VITAL)
    matched = _VERSION.fullmatch(version)
    if matched is None and version:
        reader.reasons.violate(reader.place(entry, "protocolVersion"), VERSIONS, "is not Major.Minor")
    elif matched and (matched["patch"] or matched["v"]):
        problem = "has more than Major.Minor, which are what counts"
        reader.reasons.warn(reader.place(entry, "protocolVersion"), VERSIONS, problem)
    return version


def _shared_version(card: CardObject, reader: CardReader) -> str:
    """Return the one version a card says of itself, as a text or in a list of its own; drafts had either."""
    version, versions = reader.value(card, "protocolVersion"), reader.value(card, "protocolVersions")
    if not version and isinstance(versions, list) and len(versions) == 1:
        version = versions[0]
    return version if isinstance(version, str) else ""


def _interfaces_of_0_3(
    card: CardObject, dialect: CardDialect, reader: CardReader, known: Collection[str]
) -> list[CardInterface]:
    # A hybrid is reached through its 1.0 interfaces, so its old members may be incomplete.
    hybrid = dialect is CardDialect.HYBRID
    version = reader.text(card, "protocolVersion", Need.EXPECTED if dialect is CardDialect.V0_3 else Need.OPTIONAL)
    if version and not _VERSION.fullmatch(version) and not hybrid:
        reader.reasons.violate(reader.place(card, "protocolVersion"), VERSIONS, "is not a version")
    elif version.startswith("1.") and not hybrid:
        problem = "is of another generation than the card, which says where the agent is as 0.3 does"
        reader.reasons.warn(reader.place(card, "protocolVersion"), VERSIONS, problem)
    speaks_older = has(card, "preferredTransport") or normal_version(version).startswith("0.")
    version = normal_version(version) or ("0.2" if dialect is CardDialect.V0_2 else "0.3")
    found = []
    url = reader.text(card, "url", Need.OPTIONAL if hybrid else Need.VITAL)
    # A bare repetition of an address says neither that JSON-RPC is spoken there nor that 0.3 is.
    if url and (speaks_older or url not in known):
        binding = reader.text(card, "preferredTransport") or "JSONRPC"
        _judge_address(url, normal_binding(binding), reader.place(card, "url"), reader)
        found.append(CardInterface(url=url, protocol_binding=normal_binding(binding), protocol_version=version))
    for entry in reader.objects(card, "additionalInterfaces", INTERFACE):
        binding = _either(reader, entry, "transport", "protocolBinding")
        if url := reader.text(entry, "url", Need.VITAL):
            _judge_address(url, normal_binding(binding), reader.place(entry, "url"), reader)
            found.append(CardInterface(url=url, protocol_binding=normal_binding(binding), protocol_version=version))
    return found


def _either(reader: CardReader, entry: CardObject, name: str, other: str) -> str:
    """Return how an interface speaks, under the other generation's name if need be."""
    if not has(entry, name) and has(entry, other):
        reader.reasons.translate(reader.place(entry, other), INTERFACE, f"is called {name} in this place")
        return reader.text(entry, other)
    return reader.text(entry, name, Need.VITAL)


def _judge_address(url: str, binding: str, at: JsonPath, reader: CardReader) -> None:
    if not url:
        return
    address = parse_address(url)
    if address is None:
        reader.reasons.violate(at, DECLARATION, "is not an address: an absolute URL, or host:port for gRPC")
    elif binding in CORE_BINDINGS and address.scheme == "http":
        reader.reasons.warn(at, INTERFACE, "is not HTTPS, which A2A asks for in production")
    elif binding in CORE_BINDINGS - {"GRPC"} and not address.scheme:
        reader.reasons.warn(at, INTERFACE, "is not an absolute URL")


def _judge_binding(binding: str, at: JsonPath, reader: CardReader) -> None:
    if not binding or binding in CORE_BINDINGS:
        return
    if (normal := normal_binding(binding)) in CORE_BINDINGS:
        reader.reasons.warn(at, INTERFACE, f"is A2A's {normal} in a spelling of its own")
    elif ":" not in binding:
        reader.reasons.warn(at, CUSTOM_BINDING, "is a binding of its own, and no URI")


def normal_binding(text: str) -> str:
    """Return a binding as A2A spells it; one of its own as it is."""
    return _BINDINGS.get(text.lower(), text)


def normal_version(text: str) -> str:
    """Return Major.Minor of a version; what is none as it is."""
    matched = _VERSION.fullmatch(text)
    return matched["minor"] if matched else text
