"""What is alive in a process, for whoever wants to see that nothing is left behind."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

WATCHED = ("Connection", "WireProtocol", "WireCall", "Call", "Task")
"""Of what there is to be no more after a call, or a connection, than there was before."""


class Living(Collector):
    """Counts objects of the fast port and tasks, when it is scraped; the rubbish is put out first.

    What there is when it is made stays, and is looked at no more.
    """

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()

    def describe(self) -> Iterator[Metric]:
        """Give nothing: nobody is to count before there is anything."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Give the number of living objects of each kind."""
        gc.collect()
        found = Counter(type(each).__name__ for each in gc.get_objects() if _is_watched(each))
        living = GaugeMetricFamily("echo_living", "Objects that are alive.", labels=("kind",))
        for kind in WATCHED:
            living.add_metric((kind,), found[kind])
        yield living


def _is_watched(each: object) -> bool:
    kind = type(each)
    return kind is asyncio.Task or (kind.__name__ in WATCHED and kind.__module__.startswith("ringfence_kit"))
