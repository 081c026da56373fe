"""`python -m support.workers.echo_worker END`: one of the processes `echo_leader` starts."""

from ringfence_kit.service import Listener, Service
from ringfence_kit.workers.passing_on import Leader, passed_on
from ringfence_kit.workers.worker import Beginning, Line, work

from support.workers.shared_echo import GRANTS, HELD, HELD_STREAMS, NAME, OWN, face


def build(begun: Beginning, leader: Leader, _line: Line) -> Service:
    """Put a worker together: it says who it is, and asks its leader for the rest."""
    streams = {f"/{NAME}/{method}": method in HELD_STREAMS for method in (*HELD, *HELD_STREAMS)}
    faces = [face(OWN), passed_on(leader, streams)]
    return Service(
        name="echo",
        listeners=[
            Listener(address=address, setting=setting, faces=faces, fast="fast" in setting)
            for setting, address in begun.addresses.items()
        ],
        grants=GRANTS,
    )


if __name__ == "__main__":
    work(build)
