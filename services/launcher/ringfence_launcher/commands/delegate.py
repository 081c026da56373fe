"""`ringfence delegate`: authority handed from agent to agent, each grant signed by who hands it on."""

from pathlib import Path
from typing import Annotated

import typer
from ringfence.delegation import Handover, begin_chain, exchange_request, extend_chain, rights_of
from ringfence.identity.v1 import delegation_pb2 as pb
from ringfence.identity.v1 import identity_pb2
from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceStub
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub
from ringfence.proofs.delegation_chain import DelegationError
from ringfence.proofs.delegation_grant import Budget
from ringfence_kit.clock import SECOND, Millis

from ringfence_launcher.commands.token import whose
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.key_files import load_key
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.problems import Problem
from ringfence_launcher.subjects import EnvironmentOption, did_of, identity_of
from ringfence_launcher.verify.chains import grants_in
from ringfence_launcher.verify.trusted import read_text
from ringfence_launcher.views import delegations as view
from ringfence_launcher.words import pairs, period

app = typer.Typer(no_args_is_help=True, help="Hand authority from agent to agent, and take it back.")

KeyOption = Annotated[Path, typer.Option(metavar="FILE", help="The agent's private key, as `did enrol` made it.")]
CallsOption = Annotated[int, typer.Option(min=0, help="A budget of calls; 0 is none.")]
CostOption = Annotated[int, typer.Option(min=0, help="A budget of cost, in millionths; 0 is none.")]
ReasonOption = Annotated[str, typer.Option(help="Why; shown to whoever is denied because of it.")]


@app.command(
    epilog="Examples: ringfence delegate make --key analyst.key --to demo/courier --scope orders:read "
    "--audience https://orders.example.com > chain.txt\n\n"
    "ringfence delegate make --key courier.key --chain chain.txt --to … >> chain2.txt"
)
@speaks_to("identity")
def make(
    mesh: Mesh,
    out: Output,
    *,
    key: KeyOption,
    to: Annotated[str, typer.Option(metavar="NAMESPACE/AGENT|DID", help="Who receives it.")],
    scope: Annotated[list[str], typer.Option(help="A scope handed on; repeat.")],
    audience: Annotated[list[str], typer.Option(help="Whom its tokens may be for; repeat.")],
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The chain this agent received; without, it begins one.")
    ] = None,
    tool: Annotated[list[str] | None, typer.Option(metavar="NAME=HASH", help="A tool by schema hash; repeat.")] = None,
    lifetime: Annotated[str, typer.Option("--for", metavar="PERIOD", help="How long it is good: 45m, 12h.")] = "1h",
    further: Annotated[int, typer.Option(min=0, max=4, help="How many further agents may receive it.")] = 0,
    calls: CallsOption = 0,
    cost_micros: CostOption = 0,
) -> None:
    """Sign a grant with an agent's key and print the chain, a grant a line. What would widen it is not signed."""
    held = whose(load_key(key))
    handover = Handover(
        to=did_of(mesh, to, held.environment),
        scopes=tuple(scope),
        audiences=tuple(audience),
        tools=pairs(tool, option="--tool"),
        lifetime=Millis(int(period(lifetime, option="--for").total_seconds()) * SECOND),
        further=further,
        budget=Budget(calls=calls, cost_micros=cost_micros),
    )
    try:
        if chain is not None:
            longer = extend_chain(held, grants_in(read_text(chain)), handover)
        else:
            longer = begin_chain(held, rights_of(identity_of(mesh, held.did, "")), handover)
    except DelegationError as error:
        raise Problem(
            f"this may not be handed on: rule {error.rule.value}, link {error.link}: {error.problem}",
            code=ExitCode.NEGATIVE,
            mend="ask for less; `ringfence did get` shows what the agent's certificate permits",
        ) from error
    out.value({"grants": list(longer)}, lambda: "\n".join(longer))


@app.command(
    epilog="Example: ringfence delegate exchange chain.txt --key courier.key --audience https://orders.example"
)
@speaks_to("identity")
def exchange(
    mesh: Mesh,
    out: Output,
    chain: Annotated[Path, typer.Argument(metavar="FILE", help="The chain, as `delegate make` printed it; or -.")],
    *,
    key: KeyOption,
    audience: Annotated[str, typer.Option(help="Who will accept the token.")],
    scope: Annotated[list[str] | None, typer.Option(help="A scope wanted; repeat. Default: all of it.")] = None,
    calls: CallsOption = 0,
    cost_micros: CostOption = 0,
) -> None:
    """Get an access token for what was handed on. Prints the token alone."""
    held = whose(load_key(key))
    channel = mesh.channel("identity", anonymous=True)
    issuer = CredentialServiceStub(channel).GetJwks(identity_pb2.GetJwksRequest(environment=held.environment)).issuer
    request = exchange_request(
        held,
        grants_in(read_text(chain)),
        issuer=issuer,
        audience=audience,
        scopes=tuple(scope or ()),
        budget=Budget(calls=calls, cost_micros=cost_micros),
    )
    exchanged = DelegationServiceStub(channel).ExchangeDelegation(request)
    out.one(exchanged, lambda shown: shown.access_token)
    out.hint(f"as {exchanged.delegation.name}, ring {exchanged.ring}: {' '.join(exchanged.scopes)}")


@app.command(epilog="Example: ringfence delegate revoke delegations/… --reason 'the task is done'")
@speaks_to("identity")
def revoke(
    mesh: Mesh,
    out: Output,
    name: Annotated[str, typer.Argument(metavar="DELEGATION", help="Its name, as `delegate list` shows it.")],
    *,
    reason: ReasonOption,
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The chain down to it, when it was never exchanged.")
    ] = None,
    request_id: RequestIdOption = "",
) -> None:
    """Revoke a grant and everything that was made from it."""
    full_name = name if name.startswith("delegations/") else f"delegations/{name}"
    request = pb.RevokeDelegationRequest(
        name=full_name,
        grants=grants_in(read_text(chain)) if chain else (),
        reason=reason,
        request_id=request_id,
    )
    revoked = DelegationServiceStub(mesh.channel("identity")).RevokeDelegation(request)
    out.one(revoked, lambda shown: view.delegation(shown.delegation))
    out.hint(f"{revoked.descendants_revoked} grants made from it ended with it")


@app.command("list", epilog="Example: ringfence delegate list -e prod --from demo/analyst")
@speaks_to("identity")
def list_delegations(
    mesh: Mesh,
    out: Output,
    *,
    environment: EnvironmentOption = "dev",
    delegator: Annotated[str, typer.Option("--from", metavar="NAMESPACE/AGENT|DID", help="Only by this agent.")] = "",
    delegatee: Annotated[str, typer.Option("--to", metavar="NAMESPACE/AGENT|DID", help="Only to this agent.")] = "",
    ended: Annotated[bool, typer.Option("--ended", help="Include those that are revoked or over.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000,
) -> None:
    """List the grants identity has seen, the oldest first."""
    stub = DelegationServiceStub(mesh.channel("identity"))
    request = pb.ListDelegationsRequest(
        environment=environment,
        delegator=did_of(mesh, delegator, environment) if delegator else "",
        delegatee=did_of(mesh, delegatee, environment) if delegatee else "",
        show_ended=ended,
        page_size=min(limit, 1_000),
    )

    def page(token: str) -> pb.ListDelegationsResponse:
        request.page_token = token
        return stub.ListDelegations(request)

    out.many(list(pages(page, lambda response: response.delegations, limit=limit)), view.delegations)
