"""`ringfence did`: the life of an identity, from enrolment to revocation, and its DID."""

import enum
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax
from ringfence.agent_key import KeyFileError
from ringfence.agent_key_store import AgentKeyStore
from ringfence.enrolment import answer, enrolled
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.key_rotation import KeyRotationError
from ringfence.key_rotation import rotate as rotate_key
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.examples import example
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_message
from ringfence_launcher.key_files import keep_replacement, load_key, load_or_make_key, remember_owner, replacement_key
from ringfence_launcher.options import EtagOption, RequestIdOption, prints, speaks_to
from ringfence_launcher.output import Output, as_json
from ringfence_launcher.paging import pages
from ringfence_launcher.problems import Problem
from ringfence_launcher.subjects import EnvironmentOption, SubjectArgument, did_of, identity_of, identity_request
from ringfence_launcher.views import identities as view
from ringfence_launcher.words import moment, namespace_name, number, split_agent_name, sponsor_name

app = typer.Typer(no_args_is_help=True, help="Enrol agents, resolve their DIDs, rotate, suspend and revoke them.")


class Status(enum.StrEnum):
    """Whether an identity may be used, as typed."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


AgentArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="The agent, e.g. demo/analyst.")]
ReplacementOption = Annotated[
    Path | None,
    typer.Option("--replacement", metavar="FILE", help="The key to go on with; made when there is none."),
]
DidArgument = Annotated[str, typer.Argument(metavar="DID", help="did:webvh:…, did:web:… or did:key:…")]


@app.command(
    epilog="Example: ringfence did enrol demo/analyst -e dev --certificate analyst.birth.yaml --key analyst.key"
)
@speaks_to("identity")
def enrol(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    environment: EnvironmentOption = "dev",
    certificate: Annotated[
        Path, typer.Option(metavar="FILE", help="What is stated about it: see `ringfence did certificate`.")
    ],
    key: Annotated[Path, typer.Option(metavar="FILE", help="The agent's private key; made when there is none.")],
    link: Annotated[bool, typer.Option(help="Write the new DID into the registry too.")] = True,
    request_id: RequestIdOption = "",
) -> None:
    """Give an agent an identity. Its private key stays in a file of yours that only you can read."""
    content = read_message(certificate, pb.BirthCertificateContent())
    parent, agent_id = split_agent_name(agent)
    identities = IdentityServiceStub(mesh.channel("identity"))
    begun = identities.BeginRegistration(
        pb.BeginRegistrationRequest(parent=parent, agent_id=agent_id, environment=environment, sponsor=content.sponsor)
    )
    held = load_or_make_key(key)
    answered = answer(begun, held, content)
    answered.request_id = request_id
    completed = identities.CompleteRegistration(answered)
    remember_owner(key, enrolled(held, completed))
    out.one(completed.identity, view.identity)
    if link:
        _link(mesh, out, completed.identity)
    out.hint(f"its private key is in {key}; next: ringfence token issue --key {key} --audience …")


@app.command(epilog="Example: ringfence did certificate > analyst.birth.yaml")
@prints
def certificate(out: Output) -> None:
    """Print a filled-in birth certificate file to start from."""
    out.raw(example("analyst.birth.yaml"))


@app.command(
    epilog="Examples: ringfence did resolve did:webvh:…:dev.id.ringfence.internal:agents:…\n\n"
    "ringfence did resolve did:webvh:… --version-time 2026-01-31T08:00:00Z"
)
@speaks_to("identity")
def resolve(
    mesh: Mesh,
    out: Output,
    did: DidArgument,
    *,
    version_id: Annotated[str, typer.Option(metavar="ID", help="The document of this version, e.g. 1-Qm….")] = "",
    version_time: Annotated[str, typer.Option(metavar="TIME", help="The document in force at this moment.")] = "",
) -> None:
    """Print the DID document, as any resolver would get it: of now, of a version, or of a moment."""
    request = pb.ResolveDidRequest(
        did=did, version_id=version_id, version_time=moment(version_time, option="--version-time")
    )
    found = IdentityServiceStub(mesh.channel("identity")).ResolveDid(request)
    document = json.loads(found.did_document) if found.did_document else None
    out.value(
        {"didDocument": document, "didDocumentMetadata": as_json(found.metadata)},
        lambda: Syntax(json.dumps(document, indent=2), "json", background_color="default", word_wrap=True),
    )
    if found.metadata.deactivated:
        out.hint("this DID is out of use for good")


@app.command(epilog="Example: ringfence did log did:webvh:… > did.jsonl")
@speaks_to("identity")
def log(mesh: Mesh, out: Output, did: DidArgument) -> None:
    """Print the whole log of a DID, byte for byte: did.jsonl, which anyone can check."""
    out.raw(IdentityServiceStub(mesh.channel("identity")).GetDidLog(pb.GetDidLogRequest(did=did)).log)


@app.command("list", epilog="Example: ringfence did list demo -e prod --status suspended")
@speaks_to("identity")
def list_identities(
    mesh: Mesh,
    out: Output,
    namespace: Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose agents; - means all.")] = "-",
    *,
    environment: EnvironmentOption = "",
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    sponsor: Annotated[str, typer.Option(metavar="ID", help="Only those this person answers for.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000,
) -> None:
    """List identities, ordered by agent and environment."""
    stub = IdentityServiceStub(mesh.channel("identity"))
    request = pb.ListAgentIdentitiesRequest(
        parent="" if namespace == "-" else namespace_name(namespace),
        environment=environment,
        status=number(pb.IdentityStatus, status),
        sponsor=sponsor_name(sponsor) if sponsor else "",
        page_size=min(limit, 1_000),
    )

    def page(token: str) -> pb.ListAgentIdentitiesResponse:
        request.page_token = token
        return stub.ListAgentIdentities(request)

    out.many(list(pages(page, lambda response: response.identities, limit=limit)), view.listed)


@app.command(epilog="Examples: ringfence did get demo/analyst -e dev\n\nringfence did get did:webvh:…")
@speaks_to("identity")
def get(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
) -> None:
    """Show an agent's identity, revoked ones included."""
    found = IdentityServiceStub(mesh.channel("identity")).GetAgentIdentity(identity_request(subject, environment))
    out.one(found.identity, view.identity)


@app.command(epilog="Example: ringfence did rotate --key analyst.key")
@speaks_to("identity")
def rotate(
    mesh: Mesh,
    out: Output,
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The agent's key file; it holds the new key afterwards.")],
) -> None:
    """Replace an agent's key, proven with both. Run it again when it was interrupted: it goes on where it was."""
    load_key(key)
    try:
        held = rotate_key(AgentKeyStore(key), IdentityServiceStub(mesh.channel("identity", anonymous=True)))
    except (KeyFileError, KeyRotationError) as error:
        raise Problem(
            str(error), code=ExitCode.CONFIGURATION, mend="`ringfence did resolve` shows which key is in force"
        ) from error
    out.one(identity_of(mesh, held.did, ""), view.identity)
    out.hint(f"{key} holds the new key; tokens for the old one are void")


@app.command(epilog="Example: ringfence did compromise demo/analyst --reason 'laptop stolen' --replacement new.key")
@speaks_to("identity")
def compromise(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    reason: Annotated[str, typer.Option(help="What is known, for the log.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="When it was lost. Default: from its first day.")] = "",
    replacement: ReplacementOption = None,
    request_id: RequestIdOption = "",
) -> None:
    """Report that an agent's key is in other hands. Tokens and delegations end; without a new key so does the agent."""
    held = identity_of(mesh, subject, environment)
    request = pb.ReportCompromiseRequest(
        did=held.did,
        compromised_since=moment(since, option="--since"),
        reason=reason,
        replacement=replacement_key(held, replacement) if replacement else None,
        request_id=request_id,
    )
    ended = IdentityServiceStub(mesh.channel("identity")).ReportCompromise(request)
    keep_replacement(ended.identity, replacement)
    out.one(ended, lambda shown: view.identity(shown.identity))
    out.hint(f"{ended.delegations_revoked} delegations ended with the key")
    if not replacement:
        out.hint(f"bring it back with: ringfence did reinstate {held.did} --replacement FILE --reason …")


@app.command(epilog="Example: ringfence did suspend demo/analyst -e prod --reason 'odd exports at night'")
@speaks_to("identity")
def suspend(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    reason: Annotated[str, typer.Option(help="Why; shown to whoever is denied because of it.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Suspend an identity until it is reinstated. Every pdp denies it within a second."""
    did = did_of(mesh, subject, environment)
    request = pb.SuspendRequest(did=did, reason=reason, etag=etag, request_id=request_id)
    out.one(IdentityServiceStub(mesh.channel("identity")).Suspend(request).identity, view.identity)


@app.command(epilog="Example: ringfence did reinstate demo/analyst -e prod --reason 'a test run, explained'")
@speaks_to("identity")
def reinstate(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    reason: Annotated[str, typer.Option(help="What was found and done.")],
    replacement: ReplacementOption = None,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let a suspended identity work again. After a compromise it needs a new key."""
    held = identity_of(mesh, subject, environment)
    request = pb.ReinstateRequest(
        did=held.did,
        reason=reason,
        replacement=replacement_key(held, replacement) if replacement else None,
        etag=etag,
        request_id=request_id,
    )
    reinstated = IdentityServiceStub(mesh.channel("identity")).Reinstate(request).identity
    keep_replacement(reinstated, replacement)
    out.one(reinstated, view.identity)


@app.command(epilog="Example: ringfence did revoke did:webvh:… --reason 'its host was compromised'")
@speaks_to("identity")
def revoke(
    mesh: Mesh,
    out: Output,
    did: DidArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever is denied because of it.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Revoke an identity for good. Every pdp denies it within a second."""
    request = pb.RevokeRequest(did=did, reason=reason, etag=etag, request_id=request_id)
    out.one(IdentityServiceStub(mesh.channel("identity")).Revoke(request).identity, view.identity)


def _link(mesh: Mesh, out: Output, identity: pb.AgentIdentity) -> None:
    """Write the DID into the registry. The enrolment stands without it, so a failure is a hint and no more."""
    request = registry_pb2.UpdateAgentRequest()
    request.agent.name, request.agent.did = identity.agent, identity.did
    request.update_mask.paths.append("did")
    try:
        RegistryServiceStub(mesh.channel("registry")).UpdateAgent(request)
    except Problem as problem:
        out.hint(f"enrolled, but the registry does not know its DID: {problem.what}")
