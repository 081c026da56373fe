"""What speaks against a request before any rule is asked: kill switches, contradictions, standing, ring, environment,
tools.

Each stage says what it has against one party to a case, or None, and is asked about every party: who acts, whoever
stands behind, and the agent that is called. Only the ring is asked of a call as a whole (`chains/call.py`). A stage
holds on its own: what it needs and does not find is a denial.
"""

from collections.abc import Sequence

from ringfence.proofs.scopes import not_covered

from ringfence_pdp.case import Case
from ringfence_pdp.chains.party import Party
from ringfence_pdp.facts import AgentIdentity, IdentityStatus, RegisteredTool, expired
from ringfence_pdp.model import Effect, Reason, Stage, Verdict
from ringfence_pdp.rings import RingGate


def denial(stage: Stage, reason: Reason, message: str) -> Verdict:
    """Return a stage's no."""
    return Verdict(stage=stage, effect=Effect.DENY, reason=reason, message=message)


def killed(case: Case, party: Party) -> Verdict | None:
    """Deny what a kill switch stops."""
    switches = case.basis.kill_switches
    if not switches:
        return None
    # Both the agent the facts name and the one the request names: a wrong pair must not slip past a switch.
    named = (party.identity.name if party.identity is not None else None, party.asked.agent)
    tool = case.request.tool or ""
    stopped = switches.everything or next(
        filter(None, (switches.stopping(agent, tool) for agent in named if agent is not None)), None
    )
    if stopped is None and case.call is not None and case.call.delegated is not None:
        delegation = case.call.delegated.delegation
        # Whoever hands on names the chain, so one may be called like a grant.
        stopped = switches.stopping_chain((delegation.chain.removeprefix("delegations/"), *delegation.grants))
    if stopped is None:
        return None
    message = f"{stopped.target} is stopped: {stopped.reason}; {stopped.name} would have to be released"
    return denial(Stage.KILL, Reason.KILLED, message)


def contradictory(_: Case, party: Party) -> Verdict | None:
    """Deny a request whose DID and agent name do not belong together."""
    claimed, identity = party.asked.agent, party.identity
    if identity is None or claimed is None or identity.name == claimed:
        return None
    message = f"{party.asked.did} is not the DID of {claimed}; send the pair that belongs together, or one of them"
    return denial(Stage.VALIDITY, Reason.REQUEST_INVALID, message)


def not_in_good_standing(case: Case, party: Party) -> Verdict | None:
    """Deny agents that are unknown, revoked, over, stopped or retired, and everyone when the facts are too old."""
    age = case.basis.identity_age
    if expired(age):
        heard = "has not been heard yet" if age is None else f"was last heard {age // 1_000} s ago"
        message = f"identity {heard}, so nothing is known well enough; see that the pdp reaches it"
        return denial(Stage.IDENTITY, Reason.FACTS_STALE, message)
    identity = party.identity
    if identity is None:
        return denial(Stage.IDENTITY, Reason.AGENT_UNKNOWN, f"{_unknown(case, party)}; enrol it first")
    over = _over(identity, case)
    if over is not None:
        return over
    return _not_serving(party)


def _not_serving(party: Party) -> Verdict | None:
    """Deny an agent that the registry does not know, or does not let serve."""
    if party.registered is None:
        return denial(Stage.IDENTITY, Reason.AGENT_UNKNOWN, f"{party.name} is not in the registry; register it first")
    if party.registered.retired:
        return denial(Stage.IDENTITY, Reason.AGENT_RETIRED, f"{party.name} is retired for good")
    if party.registered.halted:
        return denial(Stage.IDENTITY, Reason.AGENT_NOT_SERVING, f"{party.name} {party.registered.halted}")
    return None


def _over(identity: AgentIdentity, case: Case) -> Verdict | None:
    """Deny an identity that may not be used: by its status, or since it has ended by itself."""
    if identity.status is not IdentityStatus.ACTIVE:
        reason, message = _STATUS[identity.status]
        return denial(Stage.IDENTITY, reason, message.format(identity.resource_name))
    if identity.expires_at is not None and case.basis.now >= identity.expires_at:
        message = f"the identity of {identity.resource_name} has expired; enrol it anew"
        return denial(Stage.IDENTITY, Reason.AGENT_REVOKED, message)
    return None


_STATUS = {
    IdentityStatus.REVOKED: (
        Reason.AGENT_REVOKED,
        "the identity of {} is revoked for good; enrol it anew",
    ),
    IdentityStatus.SUSPENDED: (Reason.AGENT_SUSPENDED, "the identity of {} is suspended; it has to be reinstated"),
}


def _unknown(case: Case, party: Party) -> str:
    if party.asked.did is not None:
        return f"identity does not know {party.asked.did}"
    return f"{party.asked.agent} has no identity in environment {case.request.environment}"


def ring_insufficient(case: Case, party: Party) -> Verdict | None:
    """Deny an action that needs a more trusted ring than the agent's."""
    if party.identity is None:
        return denial(Stage.RING, Reason.AGENT_UNKNOWN, "the ring of an unknown agent is not known")
    needed, ring = required_ring(case), case.standing.ring
    if ring <= needed:
        return None
    message = (
        f"{case.request.action} needs ring {needed} or better, {party.name} is in ring {ring} "
        f"with a score of {case.standing.score}; it has to earn trust first"
    )
    return denial(Stage.RING, Reason.RING_INSUFFICIENT, message)


def chain_unsound(case: Case) -> Verdict | None:
    """Deny a call whose chain is not believed, too long, or leads back to somebody in it."""
    problem = None if case.call is None else case.call.problem
    return None if problem is None else denial(Stage.VALIDITY, problem.reason, problem.message)


def not_handed_on(case: Case) -> Verdict | None:
    """Deny what a delegation token is not good for: another tool or schema, or something its scopes do not cover.

    Tools are handed on by name and schema, with the scopes they need. What uses no tool is covered by a scope that says
    the action, alone or behind the type of the resource: `orders:read` is for `read` of resources of type `orders`.
    """
    if case.call is None or case.call.delegated is None:
        return None
    request, handed_on = case.request, case.call.delegated
    if request.tool is None:
        action = request.action.replace("/", ":")
        asked = [action] if request.resource.type is None else [action, f"{request.resource.type}:{action}"]
        if len(not_covered(handed_on.token.scopes, asked)) < len(asked):
            return None
        message = f"none of the scopes that were handed on covers {' or '.join(asked)}"
        return denial(Stage.TOOLS, Reason.CAPABILITY_NOT_DELEGATED, message)
    schema, tool = handed_on.delegation.tools.get(request.tool), case.basis.facts.tools.get(request.tool)
    if schema is None or tool is None or schema != tool.schema_hash:
        with_which = "" if schema is None else f" with the schema it has now, only with {schema}"
        message = f"{request.tool} was not handed on{with_which}"
        return denial(Stage.TOOLS, Reason.CAPABILITY_NOT_DELEGATED, message)
    lacking = not_covered(handed_on.token.scopes, tool.permissions)
    if lacking:
        message = f"{request.tool} needs {' '.join(lacking)}, which was not handed on"
        return denial(Stage.TOOLS, Reason.CAPABILITY_NOT_DELEGATED, message)
    return None


def required_ring(case: Case) -> int:
    """Return the least trusted ring that may do what is asked. Without a bundle the product's own table holds."""
    bundle = case.basis.bundle
    gate = _PRODUCT_GATE if bundle is None else bundle.gate
    return gate.required(case.request.action, case.request.side_effects)


_PRODUCT_GATE = RingGate()


def elsewhere(case: Case, party: Party) -> Verdict | None:
    """Deny an agent of another environment than the enforcement point's."""
    identity, registered, environment = party.identity, party.registered, case.request.environment
    if identity is None or registered is None:
        return denial(Stage.ENVIRONMENT, Reason.AGENT_UNKNOWN, "the environment of an unknown agent is not known")
    if identity.environment != environment:
        message = f"{party.name} belongs to {identity.environment}, not to {environment}; nothing crosses that wall"
        return denial(Stage.ENVIRONMENT, Reason.ENVIRONMENT_MISMATCH, message)
    if environment not in registered.environments:
        message = f"{party.name} is not registered to run in {environment}; its owner can add it in the registry"
        return denial(Stage.ENVIRONMENT, Reason.ENVIRONMENT_MISMATCH, message)
    belongs = case.request.resource.environment
    if belongs is not None and belongs != environment:
        message = (
            f"the resource belongs to {belongs}, and {party.name} acts in {environment}; nothing crosses that wall"
        )
        return denial(Stage.ENVIRONMENT, Reason.ENVIRONMENT_MISMATCH, message)
    return None


def tool_not_callable(case: Case, party: Party) -> Verdict | None:
    """Deny a tool that is not approved as it is at present, or that nobody may call at present.

    What the registry says of a tool is told to those who are approved for it, so approval is asked first.
    """
    name = case.request.tool
    if name is None:
        return None
    if party.identity is None or party.registered is None:
        return denial(Stage.TOOLS, Reason.AGENT_UNKNOWN, "the tools of an unknown agent are not known")
    approvals = [
        ("its birth certificate", party.identity.approved_tools.get(name)),
        ("the registry", party.registered.approved_tools.get(name)),
    ]
    for by, pin in approvals:
        if pin is None:
            message = f"{name} is not among the tools that {by} approves for {party.name}"
            # Of several parties one never had what the others hand on; alone, it is the agent's own tool.
            reason = Reason.TOOL_NOT_APPROVED if case.call is None else Reason.CAPABILITY_NOT_DELEGATED
            return denial(Stage.TOOLS, reason, message)
    tool = case.basis.facts.tools.get(name)
    if tool is None:
        message = f"the registry has no tool {name}; whoever owns it registers it with RegisterTool"
        return denial(Stage.TOOLS, Reason.TOOL_UNKNOWN, message)
    pins = [(by, pin) for by, pin in approvals if pin]
    return _switched_off(tool, case) or _another_schema(tool, pins, case)


def _switched_off(tool: RegisteredTool, case: Case) -> Verdict | None:
    """Deny what nobody may call at present."""
    if not tool.enabled:
        message = f"{tool.name} is disabled in the registry; an approver lets it go on with EnableTool"
        return denial(Stage.TOOLS, Reason.TOOL_DISABLED, message)
    if not tool.reaches_trusted(case.basis.now):
        message = (
            f"{tool.name} reaches an external system that nobody trusts at present; "
            "an approver decides with DecideTrust, or lets it go on with EnableExternalSystem"
        )
        return denial(Stage.TOOLS, Reason.EXTERNAL_SYSTEM_NOT_TRUSTED, message)
    return None


def _another_schema(tool: RegisteredTool, pins: Sequence[tuple[str, str | None]], case: Case) -> Verdict | None:
    """Deny a tool whose schema is not the approved one. Either approval may pin it; where one does, it is pinned."""
    schema, environment = case.request.tool_schema_hash, case.request.environment
    for by, pin in pins:
        if pin != tool.schema_hash:
            message = (
                f"{by} approves {tool.name} with schema {pin}, and it has {tool.schema_hash} now; "
                "somebody has to look at the new schema and approve that"
            )
            return denial(Stage.TOOLS, Reason.TOOL_SCHEMA_CHANGED, message)
    for by, pin in pins:
        if pin != schema:
            given = f"not {schema}" if schema else "and the request names none"
            message = f"{by} approves {tool.name} with schema {pin}, {given}; a changed tool is another tool"
            return denial(Stage.TOOLS, Reason.TOOL_NOT_APPROVED, message)
    if schema and schema != tool.schema_hash:
        message = (
            f"the call is made with schema {schema} of {tool.name}, and the registry has {tool.schema_hash}; "
            "the enforcement point has to read the tool anew, or its owner has to register what it serves"
        )
        return denial(Stage.TOOLS, Reason.TOOL_SCHEMA_CHANGED, message)
    if not pins and environment in case.basis.gated_environments:
        message = (
            f"in {environment} a tool has to be approved with its schema, and {tool.name} is approved with none; "
            f"its owner approves {tool.schema_hash} with UpdateAgent"
        )
        return denial(Stage.TOOLS, Reason.TOOL_SCHEMA_NOT_PINNED, message)
    return None
