"""Who may call identity. Whose namespace and which environment is judged where the object is known (`access.py`)."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

_OVERSEERS = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)
_OWNERS = (Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER)
_APPROVERS = (Role.PLATFORM_ADMIN, Role.APPROVER)
_BUT_AGENTS = tuple(role for role in Role if role not in (Role.AGENT, Role.DECIDER))
"""Who decides for itself hears of agents from the pdp; like an agent it may ask for one by its name."""
_VERIFIERS = (Role.AGENT, Role.GATEWAY, Role.SERVICE)

GRANTS = (
    Grants.of(
        "ringfence.identity.v1.IdentityService",
        {
            "RegisterSponsor": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "GetSponsor": Grant.to(*Role, does=MethodClass.READ),
            "ListSponsors": Grant.to(*_BUT_AGENTS, does=MethodClass.READ),
            "OffboardSponsor": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "BeginRegistration": Grant.to(*_OWNERS, does=MethodClass.READ),
            "CompleteRegistration": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "GetAgentIdentity": Grant.to(*Role, does=MethodClass.READ),
            "ListAgentIdentities": Grant.to(*_BUT_AGENTS, does=MethodClass.READ),
            # A DID document is public: whoever meets an agent must be able to check its signature.
            "ResolveDid": Grant.open(does=MethodClass.READ),
            "GetDidLog": Grant.open(does=MethodClass.READ),
            # Both keys sign the request: an agent whose tokens have run out must still be able to rotate.
            "RotateKey": Grant.open(does=MethodClass.WRITE),
            "ReportCompromise": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "Suspend": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "Reinstate": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "Revoke": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "WatchAgents": Grant.to(*_OVERSEERS, does=MethodClass.STREAM),
            "WatchRevocations": Grant.to(*Role, does=MethodClass.STREAM),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.CredentialService",
        {
            # The assertion in the request is the authentication: an agent without a token comes here to get one.
            "IssueToken": Grant.open(does=MethodClass.WRITE),
            "GetJwks": Grant.open(does=MethodClass.READ),
            "IntrospectToken": Grant.to(*Role, does=MethodClass.DECIDE),
            # A certificate and its status are public, as the DID document that points to them.
            "GetBirthCertificate": Grant.open(does=MethodClass.READ),
            "IssueBirthCertificate": Grant.to(*_OWNERS, does=MethodClass.WRITE),
            "GetStatusList": Grant.open(does=MethodClass.READ),
            "ListIssuerKeys": Grant.to(Role.PLATFORM_ADMIN, Role.AUDITOR, does=MethodClass.READ),
            "RotateIssuerKey": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "RevokeIssuerKey": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.TrustService",
        {
            "RecordSignals": Grant.to(Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, does=MethodClass.INGEST),
            "GetTrust": Grant.to(*Role, does=MethodClass.READ),
            "BatchGetTrust": Grant.to(*Role, does=MethodClass.READ),
            "ExplainTrust": Grant.to(*Role, does=MethodClass.READ),
            "GrantRing": Grant.to(*_APPROVERS, does=MethodClass.WRITE),
            "GrantElevation": Grant.to(*_APPROVERS, does=MethodClass.WRITE),
            "RevokeElevation": Grant.to(*_APPROVERS, does=MethodClass.WRITE),
            "CreateChallenge": Grant.to(*_VERIFIERS, does=MethodClass.DECIDE),
            "VerifyPeer": Grant.to(*_VERIFIERS, does=MethodClass.WRITE),
            "IssueTrustStatement": Grant.to(*_VERIFIERS, does=MethodClass.DECIDE),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.DelegationService",
        {
            # As with IssueToken: the delegatee's assertion is the authentication.
            "ExchangeDelegation": Grant.open(does=MethodClass.WRITE),
            "RevokeDelegation": Grant.to(*_OWNERS, Role.AGENT, does=MethodClass.WRITE),
            "ListDelegations": Grant.to(*_OWNERS, Role.AGENT, Role.AUDITOR, Role.SERVICE, does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.TransparencyService",
        {
            "ListLogEntries": Grant.to(*_OVERSEERS, does=MethodClass.READ),
            "GetCheckpoint": Grant.to(*Role, does=MethodClass.READ),
            "GetInclusionProof": Grant.to(*Role, does=MethodClass.READ),
            "GetConsistencyProof": Grant.to(*Role, does=MethodClass.READ),
        },
    )
)
