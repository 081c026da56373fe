"""How identities, sponsors and trust look in a terminal."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2
from ringfence_kit.clock import Instant
from ringfence_kit.trust_decay import RING_THRESHOLDS, SCORE_MAX, ring_at, score_at

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.trust_state import trust_state
from ringfence_launcher.words import time_text, word

BAR_WIDTH = 40


def sponsor(person: pb.Sponsor) -> RenderableType:
    """Show a sponsor."""
    return fields(
        [
            ("name", person.name),
            ("person", person.display_name),
            ("contact", person.contact),
            ("account", f"{person.oidc_issuer} {person.oidc_subject}".strip()),
            ("verified by", person.verified_by),
            ("registered", time_text(person.create_time)),
            ("left", time_text(person.offboard_time)),
        ]
    )


def sponsors(people: Sequence[pb.Sponsor]) -> RenderableType:
    """Show many sponsors, a line each."""
    return table(
        ["SPONSOR", "PERSON", "CONTACT", "VERIFIED BY", "LEFT"],
        ((one.name, one.display_name, one.contact, one.verified_by, time_text(one.offboard_time)) for one in people),
        empty="no sponsors",
    )


def offboarded(done: pb.OffboardSponsorResponse) -> RenderableType:
    """Show a person who left, and what became of their agents."""
    return stacked(
        sponsor(done.sponsor),
        fields(
            [
                ("handed over", "\n".join(done.handed_over)),
                ("suspended", "\n".join(done.suspended)),
                ("new backup for", "\n".join(done.backup_replaced)),
            ]
        ),
    )


def identity(shown: pb.AgentIdentity) -> RenderableType:
    """Show an identity with what its birth certificate says."""
    birth = shown.birth_certificate
    return fields(
        [
            ("agent", shown.agent),
            ("did", shown.did),
            ("environment", shown.environment),
            ("status", _status(shown)),
            ("suspended because", shown.suspension_reason),
            ("revoked because", shown.revocation_reason),
            ("purpose", birth.purpose),
            ("sponsors", ", ".join(name for name in (birth.sponsor, birth.backup_sponsor) if name)),
            ("permissions", "\n".join(birth.permissions)),
            ("tools", "\n".join(tool.name for tool in birth.approved_tools)),
            ("best ring", str(birth.ring_ceiling) if birth.ring_ceiling else ""),
            ("gates", "\n".join(_gate(gate) for gate in birth.evaluation_plan.gates)),
            ("public key", shown.public_key_multibase),
            ("certificate", shown.birth_certificate_hash),
            ("etag", shown.etag),
            ("enrolled", time_text(shown.create_time)),
            ("changed", time_text(shown.update_time)),
            ("suspended", time_text(shown.suspend_time)),
            ("revoked", time_text(shown.revoke_time)),
            ("ends", time_text(shown.expire_time)),
        ]
    )


def listed(identities: Sequence[pb.AgentIdentity]) -> RenderableType:
    """Show many identities, a line each."""
    return table(
        ["AGENT", "ENVIRONMENT", "STATUS", "SPONSOR", "DID"],
        (
            (
                one.agent.removeprefix("namespaces/").replace("/agents/", "/"),
                one.environment,
                _status(one),
                one.birth_certificate.sponsor.removeprefix("sponsors/"),
                one.did,
            )
            for one in identities
        ),
        empty="no identities",
    )


def trust(now: trust_pb2.Trust) -> RenderableType:
    """Show a score as a bar with the thresholds of the rings."""
    state = now.state
    return stacked(
        score(now),
        fields(
            [
                ("\nearned", f"\n{state.earned_micro_points / 1_000_000:g}"),
                ("owed", f"{state.debt_micro_points / 1_000_000:g}"),
                ("ceiling", str(state.ceiling)),
                ("stored ring", str(state.stored_ring)),
                ("last evidence for it", time_text(state.last_positive_time)),
                ("ring 0 until", time_text(state.ring_zero_until_time)),
                ("last promoted", time_text(state.promote_time)),
                ("last penalised", time_text(state.penalty_time)),
                ("as of", time_text(now.compute_time)),
            ]
        ),
    )


def score(now: trust_pb2.Trust) -> RenderableType:
    """Show whose score it is, and where it stands among the rings."""
    return stacked(
        fields([("did", now.did), ("environment", now.environment)]),
        Text.assemble("\n", (f"{now.score:>4}", "bold"), f" of {SCORE_MAX}  ring ", (str(now.ring), "bold")),
        _score_bar(now.score),
    )


def trust_line(event: pb.WatchAgentsResponse, *, now: Instant) -> RenderableType:
    """Show one change of trust on a line, with the score of the moment it is shown: stored trust decays by itself."""
    state = trust_state(event.identity.trust_state)
    line = Text(f"{event.revision:>8}  {time_text(event.event_time)}  {score_at(state, now):>4}  ")
    line.append(f"ring {ring_at(state, now)}  ")
    return line.append_text(_status(event.identity)).append(f"  {plain(event.identity.agent)}")


def _score_bar(score: int) -> Text:
    filled = score * BAR_WIDTH // SCORE_MAX
    marks = {threshold * BAR_WIDTH // SCORE_MAX for threshold in RING_THRESHOLDS}
    bar = Text("     ")
    for cell in range(BAR_WIDTH):
        mark = "|" if cell in marks else None
        bar.append(
            mark or ("█" if cell < filled else "░"), style="bold" if mark else "green" if cell < filled else "dim"
        )
    names = ", ".join(f"ring {ring} from {threshold}" for ring, threshold in enumerate(RING_THRESHOLDS))
    return bar.append(f"  {names}", style="dim")


def _status(shown: pb.AgentIdentity) -> Text:
    style = "green" if shown.status == pb.IDENTITY_STATUS_ACTIVE else "red"
    return Text(word(pb.IdentityStatus, shown.status), style=style)


def _gate(gate: pb.EvaluationGate) -> str:
    reached = f"{gate.result_micros / 1_000_000:g}" if gate.HasField("result_micros") else "not run"
    waived = f", waived by {gate.waived_by}" if gate.waived_by else ""
    return f"{gate.suite}: {reached}, needs {gate.minimum_micros / 1_000_000:g}{waived}"
