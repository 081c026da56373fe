"""`ringfence did`: enrolment, resolution and revocation of identities."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax
from ringfence.enrolment import answer, enrolled
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.examples import example
from ringfence_launcher.input_files import read_message
from ringfence_launcher.key_files import load_or_make_key, remember_owner
from ringfence_launcher.options import EtagOption, RequestIdOption, prints, speaks_to
from ringfence_launcher.output import Output, as_json
from ringfence_launcher.problems import Problem
from ringfence_launcher.views import identities as view
from ringfence_launcher.words import agent_name, split_agent_name

app = typer.Typer(no_args_is_help=True, help="Enrol agents, resolve their DIDs, revoke them.")

AgentArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="The agent, e.g. demo/analyst.")]
EnvironmentOption = Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="E.g. dev, prod.")]
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


@app.command(epilog="Example: ringfence did resolve did:webvh:…:dev.id.ringfence.internal:agents:…")
@speaks_to("identity")
def resolve(mesh: Mesh, out: Output, did: DidArgument) -> None:
    """Print the DID document, as any resolver would get it."""
    found = IdentityServiceStub(mesh.channel("identity")).ResolveDid(pb.ResolveDidRequest(did=did))
    document = json.loads(found.did_document) if found.did_document else None
    out.value(
        {"didDocument": document, "didDocumentMetadata": as_json(found.metadata)},
        lambda: Syntax(json.dumps(document, indent=2), "json", background_color="default", word_wrap=True),
    )
    if found.metadata.deactivated:
        out.hint("this DID is out of use for good")


@app.command(epilog="Examples: ringfence did get demo/analyst -e dev\n\nringfence did get did:webvh:…")
@speaks_to("identity")
def get(
    mesh: Mesh,
    out: Output,
    subject: Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT|DID", help="The agent, by name or DID.")],
    *,
    environment: EnvironmentOption = "dev",
) -> None:
    """Show an agent's identity, revoked ones included."""
    found = IdentityServiceStub(mesh.channel("identity")).GetAgentIdentity(identity_request(subject, environment))
    out.one(found.identity, view.identity)


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


def identity_request(subject: str, environment: str) -> pb.GetAgentIdentityRequest:
    """Return the request for an identity given by DID, or by name and environment."""
    if subject.startswith("did:"):
        return pb.GetAgentIdentityRequest(did=subject)
    return pb.GetAgentIdentityRequest(agent=agent_name(subject), environment=environment)


def _link(mesh: Mesh, out: Output, identity: pb.AgentIdentity) -> None:
    """Write the DID into the registry. The enrolment stands without it, so a failure is a hint and no more."""
    request = registry_pb2.UpdateAgentRequest()
    request.agent.name, request.agent.did = identity.agent, identity.did
    request.update_mask.paths.append("did")
    try:
        RegistryServiceStub(mesh.channel("registry")).UpdateAgent(request)
    except Problem as problem:
        out.hint(f"enrolled, but the registry does not know its DID: {problem.what}")
