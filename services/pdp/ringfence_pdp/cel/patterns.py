"""Regular expressions that run in linear time: RE2, and nothing else, ever sees text from outside.

Patterns are compiled when a policy is published. RE2 has no back references and no look-around; what it accepts it
matches in time proportional to the text.
"""

import re2

from ringfence_pdp.cel.library import Pattern

PATTERN_MAX = 512
"""Characters in one regular expression."""

PROGRAM_MAX = 1 << 18
"""Bytes RE2 may use for one compiled pattern and for matching it."""


class PatternInvalid(ValueError):  # noqa: N818 - named for what happened
    """The text is no RE2 regular expression, or one that is too large."""


def compile_pattern(text: str) -> Pattern:
    """Return the compiled pattern; raise PatternInvalid when there is none."""
    if len(text) > PATTERN_MAX:
        raise PatternInvalid(f"it has {len(text)} characters; {PATTERN_MAX} at most")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PROGRAM_MAX
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        problem = error.args[0] if error.args else "it does not compile"
        raise PatternInvalid(problem.decode() if isinstance(problem, bytes) else str(problem)) from error
    return compiled
