"""Enrolling an agent: the answer to a challenge, and the key that knows whose it is afterwards.

    begun = identity.BeginRegistration(BeginRegistrationRequest(parent=..., agent_id=..., environment=..., sponsor=...))
    done = identity.CompleteRegistration(answer(begun, key, content))
    enrolled(key, done).save(Path("agent.key"))

The same two calls, awaited, with an asyncio stub. Nothing is sent from here, and the key is not in what is.
"""

from dataclasses import replace

from ringfence.agent_key import AgentKey
from ringfence.identity.v1.identity_pb2 import (
    BeginRegistrationResponse,
    BirthCertificateContent,
    CompleteRegistrationRequest,
    CompleteRegistrationResponse,
)


def answer(
    begun: BeginRegistrationResponse, key: AgentKey, content: BirthCertificateContent
) -> CompleteRegistrationRequest:
    """Return the request that completes an enrolment: challenge, public key, and proof of the private one."""
    return CompleteRegistrationRequest(
        challenge=begun.challenge,
        public_key=key.public_key,
        proof_of_possession=key.prove_registration(begun.challenge, content),
        birth_certificate=content,
    )


def enrolled(key: AgentKey, done: CompleteRegistrationResponse) -> AgentKey:
    """Return the key, knowing whose it is."""
    identity = done.identity
    return replace(
        key,
        agent=identity.agent,
        environment=identity.environment,
        did=identity.did,
        did_version_id=identity.did_version_id,
    )
