"""What the `ringfence` command's exit codes mean: one table, shown by `ringfence --help` and in the README.

The rules:

- a script can tell "the answer is no" (1) from "I could not ask" (everything above it);
- a code says what kind of thing to do next, not which service spoke; the reason code on stderr says that;
- numbers are never reused for another meaning.
"""

import enum
from collections.abc import Mapping


class ExitCode(enum.IntEnum):
    """How a command ended."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    CONFIGURATION = 3
    NOT_FOUND = 4
    NOT_PERMITTED = 5
    UNAVAILABLE = 6
    CONFLICT = 7
    INVALID = 8
    IN_USE = 9
    DEFECT = 10
    INTERRUPTED = 130


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.NEGATIVE: "asked and answered no: denied, tampered with, a check or an expectation failed",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.CONFIGURATION: "a configuration, card, policy, key or credential file cannot be used",
    ExitCode.NOT_FOUND: "the named thing does not exist",
    ExitCode.NOT_PERMITTED: "not authenticated, or not allowed to do this",
    ExitCode.UNAVAILABLE: "no service answered, or it is overloaded; trying again can help",
    ExitCode.CONFLICT: "it exists already, changed meanwhile, or is in a state that forbids this",
    ExitCode.INVALID: "the service refused the request as invalid; each violation is listed",
    ExitCode.IN_USE: "the data directory or a port is taken by another process",
    ExitCode.DEFECT: "a defect in Ringfence; the reference finds it in the log",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
"""Every code, once, in words."""
