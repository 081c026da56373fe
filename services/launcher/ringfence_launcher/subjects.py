"""Whom a command is about: an agent typed by name or by DID, and the identity behind it."""

from typing import Annotated

import typer
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.words import agent_name

SubjectArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT|DID", help="The agent, by name or DID.")]
EnvironmentOption = Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="E.g. dev, prod.")]


def identity_request(subject: str, environment: str) -> pb.GetAgentIdentityRequest:
    """Return the request for an identity given by DID, or by name and environment."""
    if subject.startswith("did:"):
        return pb.GetAgentIdentityRequest(did=subject)
    return pb.GetAgentIdentityRequest(agent=agent_name(subject), environment=environment)


def identity_of(mesh: Mesh, subject: str, environment: str) -> pb.AgentIdentity:
    """Return the identity of an agent."""
    stub = IdentityServiceStub(mesh.channel("identity"))
    return stub.GetAgentIdentity(identity_request(subject, environment)).identity


def did_of(mesh: Mesh, subject: str, environment: str) -> str:
    """Return the DID of an agent; one that was typed is not looked up."""
    return subject if subject.startswith("did:") else identity_of(mesh, subject, environment).did
