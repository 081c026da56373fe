"""Who may act on which identity: the object-level half of permission, checked before existence is revealed.

The grants table says which roles may call a method; here stands whose namespace, and which environment. An agent's
credential is good in its own environment and nothing in another.
"""

from ringfence.proofs.did import AgentDid, KeyDid, RegistrarDid, WebAlias
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import NotPermitted
from ringfence_kit.names import AgentName

from ringfence_identity.dids import parse_did
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import AgentNotFound, DidInvalid
from ringfence_identity.model import AgentIdentity

_READ_EVERYTHING = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.APPROVER, Role.GATEWAY, Role.SERVICE)


def reads_everything(caller: Caller) -> bool:
    """Say whether `caller` may read the identity of every agent, in every namespace."""
    return caller.has(*_READ_EVERYTHING)


def require_owner(caller: Caller, namespace: str, *, action: str) -> None:
    """Raise unless `caller` owns `namespace`."""
    if not caller.owns(namespace):
        raise NotPermitted(
            principal=caller.principal, action=action, needed=f"namespace-owner of {namespace} or platform-admin"
        )


def require_owner_of(caller: Caller, agent: str | None, *, action: str) -> None:
    """Raise unless `caller` owns the namespace of `agent`; None, an agent nobody knows, is owned by the platform."""
    name = None if agent is None else AgentName.parse(agent)
    if name is not None:
        require_owner(caller, name.namespace, action=action)
    elif not caller.has(Role.PLATFORM_ADMIN):
        needed = "namespace-owner of the agent's namespace or platform-admin"
        raise NotPermitted(principal=caller.principal, action=action, needed=needed)


def require_reader(caller: Caller, *, agent: str | None, did: str | None, action: str) -> None:
    """Raise unless `caller` may read the identity of `agent` and `did`, as far as they are known.

    An agent reads itself; what others may know of it stands in its DID document and its tokens.
    """
    if reads_everything(caller) or (did is not None and caller.speaks_for(did)):
        return
    require_owner_of(caller, agent, action=action)


def require_environment(caller: Caller, environment: Environment, *, action: str) -> None:
    """Raise when `caller`'s credential is of another environment than `environment`."""
    if caller.environment not in ("", environment.name):
        raise NotPermitted(
            principal=caller.principal, action=action, needed=f"a credential of environment {environment.name}"
        )


def environment_of_did(environments: Environments, did: str) -> Environment:
    """Return the environment an agent's `did` is of, or raise `DidInvalid` when it is none of ours."""
    parsed = parse_did(did)
    if isinstance(parsed, AgentDid):
        return hosted(environments, parsed)
    if not isinstance(parsed, KeyDid):
        raise DidInvalid(
            did=did, problem="an agent's DID has the form did:webvh:{SCID}:{host}:agents:{SCID}, or did:key"
        )
    environment = environments.of_key_did(did)
    if environment is None:
        raise DidInvalid(did=did, problem="no agent was enrolled with this key as its name")
    return environment


def owned_environment(
    environments: Environments, did: str, known: AgentIdentity | None, *, caller: Caller, action: str
) -> Environment:
    """Return the environment of an agent whose owner `caller` is; `known` is what the DID names here, if anything.

    In this order: what is no agent's DID of ours, then who may not, then what is not there. A stranger's answer is the
    same whether the agent exists or not.
    """
    parsed = parse_did(did)
    if not isinstance(parsed, KeyDid):
        environment_of_did(environments, did)
    require_owner_of(caller, known.agent if known else None, action=action)
    if known is None:
        raise AgentNotFound(agent=did, environment="")
    environment = environments.get(known.environment)
    require_environment(caller, environment, action=action)
    return environment


def reachable(
    environments: Environments, did: str, known: AgentIdentity | None, *, caller: Caller, action: str
) -> AgentIdentity:
    """Return `known`, the identity that `did` names here; raise for a caller of another environment, or when none is.

    A caller behind a wall gets the same answer whether the agent beyond it exists or not.
    """
    if known is not None and caller.environment in ("", known.environment):
        return known
    if isinstance(parse_did(did), KeyDid):  # it does not say which environment it is of, so neither does the answer
        raise AgentNotFound(agent=did, environment="")
    environment = environment_of_did(environments, did)
    require_environment(caller, environment, action=action)
    raise AgentNotFound(agent=did, environment=environment.name)


def hosted(environments: Environments, did: AgentDid | RegistrarDid | WebAlias) -> Environment:
    """Return the environment on whose host `did` lives, or raise `DidInvalid` when it is not hosted here."""
    environment = environments.of_host(did.host)
    if environment is None:
        raise DidInvalid(did=str(did), problem="its host is not served here")
    return environment
