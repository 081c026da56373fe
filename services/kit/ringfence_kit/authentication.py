"""Establishes the caller from what came with a call: a bearer token, else the client certificate, else nobody.

The rules:

- a token that is presented decides, good or bad: a bad one is refused and never falls back to the certificate, since
  whoever sent it believes to be acting under it;
- exactly one `authorization` header, with the scheme Bearer; two could be read differently by two readers;
- a certificate is known by its SPIFFE id (the only URI SAN), else by a DNS SAN, and gets the roles bound to it in the
  configuration; without a binding it is somebody, without any role;
- a caller without either is `ANONYMOUS`, which only open methods accept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias
from weakref import WeakKeyDictionary

from ringfence_kit.callers import ANONYMOUS, BOUND_BY_NAMESPACES, Caller, Role
from ringfence_kit.clock import Clock
from ringfence_kit.dev_tokens import DevTokens
from ringfence_kit.errors import Unauthenticated
from ringfence_kit.names import is_group, is_resource_id
from ringfence_kit.server_config import CertificateBinding
from ringfence_kit.tokens import TokenVerifier, VerifiedToken

PeerCertificate: TypeAlias = Mapping[str, Iterable[bytes]]
"""gRPC's auth context of the connection; empty without TLS."""

MAX_CLAIMED = 1_000
"""Namespaces or agents one token may list; a longer list is cut off by its size long before."""


class Authenticator:
    """Knows who may be known, and how."""

    def __init__(
        self,
        *,
        tokens: TokenVerifier,
        certificates: Sequence[CertificateBinding],
        dev_tokens: DevTokens | None,
        clock: Clock,
    ) -> None:
        self._tokens = tokens
        self._bindings = {binding.identity: _bound(binding) for binding in certificates}
        self._dev_tokens = dev_tokens
        self._clock = clock
        self._callers: WeakKeyDictionary[VerifiedToken, Caller] = WeakKeyDictionary()
        """Whom tokens make the caller, for as long as they are remembered; each is checked again with every call."""

    async def authenticate(self, authorization: Sequence[str | bytes], peer: PeerCertificate) -> Caller:
        """Return the caller, or raise Unauthenticated with what is wrong with the credential."""
        known = self.known(authorization, peer)
        if known is not None:
            return known
        return self._caller_of(await self._tokens.verify(_bearer(authorization), self._clock.now()))

    def known(self, authorization: Sequence[str | bytes], peer: PeerCertificate) -> Caller | None:
        """Return the caller if nothing has to be asked for to know it, else None. Raises as `authenticate` does."""
        if not authorization:
            return self._by_certificate(peer)
        token = _bearer(authorization)
        return None if self._dev_tokens is None else self._dev_tokens.caller(token, self._clock.now())

    def _caller_of(self, token: VerifiedToken) -> Caller:
        caller = self._callers.get(token)
        if caller is None:
            caller = self._callers[token] = caller_of(token)
        return caller

    def _by_certificate(self, peer: PeerCertificate) -> Caller:
        names = certificate_names(peer)
        if not names:
            return ANONYMOUS
        for name in names:
            if name in self._bindings:
                return self._bindings[name]
        return Caller(principal=names[0])


def certificate_names(peer: PeerCertificate) -> list[str]:
    """Return what a verified client certificate may be bound by; empty when there was none.

    A certificate with a URI is known by that URI alone: SPIFFE X509-SVID 2 allows one, and two would be two callers.
    """
    uris = [_text(value) for value in peer.get("peer_uri", ())]
    if len(uris) > 1:
        raise Unauthenticated(problem="the client certificate has more than one URI SAN; a SPIFFE certificate has one")
    if uris and uris[0].startswith("spiffe://"):
        return uris
    names = [f"dns:{_text(value).lower()}" for value in peer.get("peer_dns", ())]
    if not names and "x509_pem_cert" in peer:
        raise Unauthenticated(problem="the client certificate has neither a SPIFFE id nor a DNS name")
    return names


def caller_of(token: VerifiedToken) -> Caller:
    """Return whom a verified token makes the caller."""
    issuer = token.issuer
    if issuer.agents_of:
        return _agent_of(token)
    claimed = {issuer.roles[word] for word in _words(token.claims.get(issuer.roles_claim)) if word in issuer.roles}
    named = frozenset(_words(token.claims.get(issuer.namespaces_claim)))
    # Names of nothing bind to nothing; without them an approver would be bound to no namespace, and so to none less.
    namespaces = frozenset(filter(is_resource_id, named)) or named
    return Caller(
        principal=f"{issuer.name}:{token.subject}",
        roles=frozenset(claimed),
        namespaces=namespaces if claimed & BOUND_BY_NAMESPACES else frozenset(),
        agents=frozenset(_words(token.claims.get(issuer.agents_claim))) if Role.GATEWAY in claimed else frozenset(),
        groups=_groups(_words(token.claims.get(issuer.groups_claim)) if Role.APPROVER in claimed else ()),
        expires_at=token.expires_at,
    )


def _agent_of(token: VerifiedToken) -> Caller:
    environment = token.issuer.agents_of
    # The issuer already belongs to one environment; a token that says otherwise is a mistake nobody should build on.
    if token.claims.get("env") != environment:
        raise Unauthenticated(problem=f"the token's env is not {environment}, whose issuer signed it")
    if not token.subject.startswith("did:"):
        raise Unauthenticated(problem="the token's subject (sub) is not a DID")
    return Caller(
        principal=token.subject,
        roles=frozenset({Role.AGENT}),
        environment=environment,
        expires_at=token.expires_at,
    )


def _bound(binding: CertificateBinding) -> Caller:
    caller = Caller(principal=binding.identity, roles=frozenset(binding.roles))
    return replace(
        caller,
        namespaces=frozenset(binding.namespaces),
        agents=frozenset(binding.agents),
        groups=_groups(binding.groups if Role.APPROVER in binding.roles else ()),
    )


def _groups(names: Iterable[str]) -> frozenset[str]:
    """Return the names that are groups'; whatever else an issuer calls a group (`/Everyone`) cannot be asked for."""
    return frozenset(filter(is_group, names))


def _bearer(authorization: Sequence[str | bytes]) -> str:
    if len(authorization) > 1:
        raise Unauthenticated(problem="there is more than one authorization header")
    header = _text(authorization[0])
    if header.startswith("Bearer ") and len(header) > len("Bearer "):
        # As nearly everybody writes it.
        return header[len("Bearer ") :]
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(problem="the authorization header must be: Bearer TOKEN")
    return token


def _words(claim: object) -> list[str]:
    """Return a claim that is a list of texts, or texts separated by spaces (RFC 8693 4.2); anything else is none."""
    values = claim.split(" ") if isinstance(claim, str) else claim
    return [value for value in values[:MAX_CLAIMED] if isinstance(value, str)] if isinstance(values, list) else []


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
