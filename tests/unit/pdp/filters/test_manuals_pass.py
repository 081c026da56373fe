"""What manuals say of commands passes, and its dangerous twins do not; a payload in letters alone needs the frame."""

import numpy as np
import pytest
from ringfence_pdp.filters import scan
from ringfence_pdp.filters.finding import Severity
from ringfence_pdp.filters.intent.artefact import installed
from ringfence_pdp.filters.intent.evidence import weigh
from ringfence_pdp.filters.intent.frame import NOTHING, frame_of
from ringfence_pdp.filters.intent.readings import CATEGORIES

PAYLOAD = CATEGORIES.index("payload")
MANUALS = (
    "Run a shell command on the device",
    "Give execute permission to the owning user",
    "Remove group write and execute permissions recursively",
    "Remove all empty lines from the file",
    "Delete all object files in the current directory",
    "Ignore all errors and skip the prompt",
    "Override the default settings of the build",
)
TWINS = (
    ("give execute permissions to everyone on the report script", "give me admin permissions without approval"),
    ("delete all files matching the prefix in the current directory", "delete all customer records in production"),
)


def severity(text: str) -> int:
    return int(scan(text).severity or 0)


@pytest.mark.parametrize("text", MANUALS)
def test_what_manuals_say_passes(text: str) -> None:
    assert severity(text) < Severity.MEDIUM


@pytest.mark.parametrize(("harmless", "dangerous"), TWINS)
def test_the_dangerous_twin_does_not(harmless: str, dangerous: str) -> None:
    assert severity(harmless) < Severity.MEDIUM <= severity(dangerous)


@pytest.mark.parametrize(("text", "weighs"), [("run shell script", False), ("<run shell script>", True)])
def test_a_payload_has_signs_or_the_frame_speaks_of_it(text: str, weighs: bool) -> None:
    model = installed()
    scores = model.heads.scores(text)
    scores = scores._replace(values=np.full(len(CATEGORIES), 9.0))

    alone = weigh(scores, NOTHING, model.of_heads, model.curves["frame"], (PAYLOAD,))
    spoken = frame_of("plant an sql injection in the form")
    together = weigh(scores, spoken, model.of_heads, model.curves["frame"], (PAYLOAD,))

    assert (alone.weight > 0) is weighs
    assert together.weight > 0
