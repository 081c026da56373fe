"""Free loopback ports that stay free until a service opens them, and again after it was killed.

They lie below 32768, where Linux takes no port for outgoing connections: one a service is told to use is not given to
somebody's client while the service restarts.
"""

import os
import random
import socket
from contextlib import ExitStack, suppress

LOWEST, HIGHEST = 20_000, 32_767


def free_ports(count: int) -> list[int]:
    """Return `count` different ports nobody listens on."""
    found: list[int] = []
    choice = random.Random(os.urandom(8))
    with ExitStack() as held:  # all are held until all are chosen, so that none is chosen twice
        while len(found) < count:
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", choice.randint(LOWEST, HIGHEST)))
                found.append(probe.getsockname()[1])
    return found
