"""Following a log head by head, believing none that does not go on from the one before."""

from collections.abc import Iterator

from ringfence.errors import RingfenceError
from ringfence.proofs.log_witness import Believed, HeadDoubted, believe, look_at

from ringfence_launcher.audit.log_reader import Verified
from ringfence_launcher.audit.served_logs import DecisionLog
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.service_errors import problem_of


def watch_heads(mesh: Mesh, begun: Verified) -> Iterator[Verified]:
    """Yield `begun`, and every head of the log of decisions after it, each verified. Raises Problem."""
    log = DecisionLog(mesh.channel("telemetry"))
    believed = Believed(note=begun.note, key=str(begun.key))
    yield begun
    last = begun.note
    try:
        for served in log.heads():
            if served.note == last:
                continue
            shown = look_at(served.note, said_key=served.verifier_key, believed=believed)
            if shown.is_news:
                size = believed.checkpoint.size
                proof = log.consistency(size, shown.checkpoint.size) if shown.needs_proof else []
                believed = believe(shown, proof, believed=believed)
            last = served.note
            yield Verified(
                checkpoint=shown.checkpoint,
                note=served.note,
                key=begun.key,
                key_source=begun.key_source,
                extends=None if shown.since is None else shown.since.size,
            )
    except HeadDoubted as doubted:
        raise Problem(
            f"the log does not verify: {doubted.problem}",
            code=ExitCode.NEGATIVE,
            mend="keep both checkpoints as evidence, and compare the log with another reader's",
            details=(
                Detail(where="believed before", what=doubted.believed),
                Detail(where="shown now", what=doubted.shown),
            ),
        ) from None
    except RingfenceError as error:
        raise problem_of(error, service="telemetry", address=mesh.endpoints.address("telemetry")) from None
