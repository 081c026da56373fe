"""Who may call identity. Whose namespace and which environment is judged where the object is known (`access.py`)."""

from ringfence_kit.callers import Role
from ringfence_kit.grants import Grant, Grants, MethodClass

GRANTS = (
    Grants.of(
        "ringfence.identity.v1.IdentityService",
        {
            "RegisterSponsor": Grant.to(Role.PLATFORM_ADMIN, does=MethodClass.WRITE),
            "BeginRegistration": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.READ),
            "CompleteRegistration": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "GetAgentIdentity": Grant.to(*Role, does=MethodClass.READ),
            # A DID document is public: whoever meets an agent must be able to check its signature.
            "ResolveDid": Grant.open(does=MethodClass.READ),
            "Revoke": Grant.to(Role.PLATFORM_ADMIN, Role.NAMESPACE_OWNER, does=MethodClass.WRITE),
            "WatchAgents": Grant.to(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE, does=MethodClass.STREAM),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.CredentialService",
        {
            # The assertion in the request is the authentication: an agent without a token comes here to get one.
            "IssueToken": Grant.open(does=MethodClass.WRITE),
            "GetJwks": Grant.open(does=MethodClass.READ),
        },
    )
    | Grants.of(
        "ringfence.identity.v1.TrustService",
        {
            "RecordSignals": Grant.to(Role.PLATFORM_ADMIN, Role.SERVICE, Role.GATEWAY, does=MethodClass.INGEST),
            "GetTrust": Grant.to(*Role, does=MethodClass.READ),
        },
    )
)
