"""What each credential makes of its bearer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ringfence_kit.authentication import Authenticator, PeerCertificate, caller_of
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.dev_tokens import CALLERS, open_dev_tokens, token_path
from ringfence_kit.errors import Unauthenticated
from ringfence_kit.issuers import TrustedIssuer
from ringfence_kit.jwks import LocalKeys
from ringfence_kit.server_config import CertificateBinding
from ringfence_kit.tokens import TokenVerifier, VerifiedToken
from support.tokens import AUDIENCE, claims, ed25519, jwks, signed

CLOCK = ManualClock()
KEY = ed25519("k")
CORP = TrustedIssuer(
    name="corp", issuer="https://operators.example", audience=AUDIENCE, keys=LocalKeys(lambda: jwks(KEY))
)
PROD = replace(CORP, name="agents", issuer="https://prod.agents.example", agents_of="prod")
ENDS = Instant(CLOCK.now() + 300_000)
GATEWAY = CertificateBinding(
    identity="spiffe://mesh/gateway", roles=(Role.GATEWAY,), agents=("did:web:a",), namespaces=("red",)
)


def authenticator(**changes: Any) -> Authenticator:
    usual: dict[str, Any] = {
        "tokens": TokenVerifier([CORP, PROD]),
        "certificates": [GATEWAY, CertificateBinding(identity="dns:ops", roles=(Role.PLATFORM_ADMIN,))],
        "dev_tokens": None,
        "clock": CLOCK,
    }
    return Authenticator(**{**usual, **changes})


def token_with(issuer: TrustedIssuer = CORP, **more: Any) -> VerifiedToken:
    return VerifiedToken(issuer, more.pop("sub", "ana"), ENDS, more)


class TestTokens:
    async def test_from_header_to_caller(self) -> None:
        token = signed(KEY, claims(CLOCK.now(), roles=["approver"]))
        for header in (f"Bearer {token}", f"bearer {token}", f"BEARER {token}".encode()):
            caller = await authenticator().authenticate([header], {})
            assert caller == Caller(principal="corp:ana", roles=frozenset({Role.APPROVER}), expires_at=ENDS)

    def test_roles_claimed_as_a_list_or_a_text(self) -> None:
        both = frozenset({Role.AUDITOR, Role.APPROVER})
        assert caller_of(token_with(roles=["auditor", "approver", "unheard-of", 5])).roles == both
        assert caller_of(token_with(roles="auditor approver")).roles == both

    @pytest.mark.parametrize("claim", [None, 5, {}, {"auditor": True}, [["auditor"]], ""])
    def test_roles_that_are_none(self, claim: Any) -> None:
        assert caller_of(token_with(roles=claim)).roles == frozenset()

    def test_nobody_claims_to_be_a_service_or_an_agent(self) -> None:
        assert caller_of(token_with(roles=["service", "agent"])).roles == frozenset()

    def test_an_issuer_of_other_words(self) -> None:
        issuer = replace(CORP, roles_claim="groups", roles={"mesh-ops": Role.PLATFORM_ADMIN, "robots": Role.SERVICE})
        caller = caller_of(token_with(issuer, groups=["mesh-ops", "robots", "auditor"], roles=["approver"]))
        assert caller.roles == {Role.PLATFORM_ADMIN, Role.SERVICE}

    def test_namespaces_come_with_their_role_only(self) -> None:
        names = ["red", "Not A Name", "blue"]
        assert caller_of(token_with(namespaces=names)).namespaces == frozenset()
        caller = caller_of(token_with(roles=["namespace-owner"], namespaces=names))
        assert caller.namespaces == {"red", "blue"}

    @pytest.mark.parametrize("role", ["approver", "gateway"])
    def test_namespaces_bind_approvers_and_gateways(self, role: str) -> None:
        assert caller_of(token_with(roles=role, namespaces=["red"])).namespaces == {"red"}
        assert caller_of(token_with(roles=role)).namespaces == frozenset()

    def test_an_approver_bound_to_what_is_no_namespace_is_not_unbound(self) -> None:
        assert caller_of(token_with(roles="approver", namespaces=["Not A Name"])).namespaces == {"Not A Name"}

    def test_agents_come_with_their_role_only(self) -> None:
        assert caller_of(token_with(agents=["did:web:a"])).agents == frozenset()
        assert caller_of(token_with(roles="gateway", agents=["did:web:a"])).agents == {"did:web:a"}

    def test_groups_come_with_the_approver_only(self) -> None:
        assert caller_of(token_with(groups=["data-oncall"])).groups == frozenset()
        assert caller_of(token_with(roles="auditor", groups=["data-oncall"])).groups == frozenset()
        assert caller_of(token_with(roles="approver", groups=["data-oncall"])).groups == {"data-oncall"}
        assert caller_of(token_with(PROD, sub="did:web:a", env="prod", groups=["data-oncall"])).groups == frozenset()

    def test_groups_of_another_shape_are_groups_of_nothing_here(self) -> None:
        issuer = replace(CORP, groups_claim="teams")
        claimed = ["data-oncall", "/Everyone", "group:data", "CN=x,DC=y", 5]
        assert caller_of(token_with(issuer, roles="approver", teams=claimed)).groups == {"data-oncall"}

    def test_an_agent_is_itself_and_nothing_else(self) -> None:
        caller = caller_of(token_with(PROD, sub="did:web:a", env="prod", roles=["platform-admin"], namespaces=["red"]))
        assert caller == Caller(
            principal="did:web:a", roles=frozenset({Role.AGENT}), environment="prod", expires_at=ENDS
        )

    @pytest.mark.parametrize("env", [None, "dev", "PROD", ["prod"]])
    def test_an_agent_of_another_environment(self, env: Any) -> None:
        with pytest.raises(Unauthenticated, match="env is not prod"):
            caller_of(token_with(PROD, sub="did:web:a", env=env))

    def test_an_agent_that_is_not_a_did(self) -> None:
        with pytest.raises(Unauthenticated, match="is not a DID"):
            caller_of(token_with(PROD, sub="ana", env="prod"))

    def test_an_operator_cannot_pass_for_anybody_else(self) -> None:
        for subject in ("did:web:a", "spiffe://mesh/gateway", "dev:operator"):
            assert caller_of(token_with(sub=subject)).principal == f"corp:{subject}"


class TestDevelopmentTokens:
    async def test_each_is_who_it_is(self, tmp_path: Path) -> None:
        knows = authenticator(dev_tokens=open_dev_tokens(tmp_path))
        for name, caller in CALLERS.items():
            token = token_path(tmp_path, name).read_text().strip()
            assert await knows.authenticate([f"Bearer {token}"], {}) == caller

    async def test_they_are_nothing_where_there_is_no_development_mode(self, tmp_path: Path) -> None:
        open_dev_tokens(tmp_path)
        token = token_path(tmp_path, "operator").read_text().strip()
        with pytest.raises(Unauthenticated):
            await authenticator().authenticate([f"Bearer {token}"], {})

    async def test_a_real_token_works_beside_them(self, tmp_path: Path) -> None:
        knows = authenticator(dev_tokens=open_dev_tokens(tmp_path))
        token = signed(KEY, claims(CLOCK.now()))
        assert (await knows.authenticate([f"Bearer {token}"], {})).principal == "corp:ana"


class TestCertificates:
    @pytest.mark.parametrize(
        ("peer", "principal"),
        [
            ({"peer_uri": [b"spiffe://mesh/gateway"], "peer_dns": [b"ops"]}, "spiffe://mesh/gateway"),
            ({"peer_uri": [b"https://ops.example"], "peer_dns": [b"other", b"OPS"]}, "dns:ops"),
            ({"peer_dns": [b"other"]}, "dns:other"),
        ],
    )
    async def test_the_name_it_is_known_by(self, peer: PeerCertificate, principal: str) -> None:
        assert (await authenticator().authenticate([], peer)).principal == principal

    async def test_what_is_bound_to_it(self) -> None:
        caller = await authenticator().authenticate([], {"peer_uri": [b"spiffe://mesh/gateway"]})
        assert caller.roles == {Role.GATEWAY}
        assert caller.agents == {"did:web:a"}
        assert caller.namespaces == {"red"}

    async def test_groups_are_bound_to_approvers_only(self) -> None:
        bound = [
            CertificateBinding(identity="dns:ada", roles=(Role.APPROVER,), groups=("data-oncall",)),
            CertificateBinding(identity="dns:ops", roles=(Role.PLATFORM_ADMIN,), groups=("data-oncall",)),
        ]
        knows = authenticator(certificates=bound)
        assert (await knows.authenticate([], {"peer_dns": [b"ada"]})).groups == {"data-oncall"}
        assert (await knows.authenticate([], {"peer_dns": [b"ops"]})).groups == frozenset()

    async def test_what_nobody_bound_has_no_role(self) -> None:
        caller = await authenticator().authenticate([], {"peer_uri": [b"spiffe://mesh/gateway/"]})
        assert caller == Caller(principal="spiffe://mesh/gateway/")

    @pytest.mark.parametrize(
        "peer",
        [
            {"x509_pem_cert": [b"-"], "peer_uri": [b"https://a"]},
            {"x509_pem_cert": [b"-"]},
            {"peer_uri": [b"spiffe://mesh/gateway", b"spiffe://mesh/b"]},
        ],
    )
    async def test_what_cannot_be_known(self, peer: PeerCertificate) -> None:
        with pytest.raises(Unauthenticated):
            await authenticator().authenticate([], peer)

    async def test_nobody(self) -> None:
        assert await authenticator().authenticate([], {"transport_security_type": [b"ssl"]}) is ANONYMOUS


class TestCallers:
    def test_who_owns_what(self) -> None:
        owner = Caller(principal="a", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"red"}))
        assert owner.owns("red")
        assert not owner.owns("blue")
        assert not replace(owner, roles=frozenset()).owns("red")
        assert Caller(principal="a", roles=frozenset({Role.PLATFORM_ADMIN})).owns("anything")

    def test_who_speaks_for_whom(self) -> None:
        agent = Caller(principal="did:web:a", roles=frozenset({Role.AGENT}))
        gateway = Caller(principal="g", roles=frozenset({Role.GATEWAY}), agents=frozenset({"did:web:a"}))
        for caller in (agent, gateway):
            assert caller.speaks_for("did:web:a")
            assert not caller.speaks_for("did:web:b")
            assert not replace(caller, roles=frozenset()).speaks_for("did:web:a")
        assert not Caller(principal="x", roles=frozenset({Role.PLATFORM_ADMIN})).speaks_for("did:web:a")

    def test_has(self) -> None:
        caller = Caller(principal="a", roles=frozenset({Role.AUDITOR}))
        assert caller.has(Role.AUDITOR, Role.AGENT)
        assert not caller.has(Role.AGENT)
