"""What makes text readable again: each decoder takes a text and returns it as somebody else would read it.

A decoder is a function of the text alone, returns what it was given when there is nothing to do, and never raises.

Decoders use Python's `re`, which is ten times as fast as RE2 where much is replaced, and takes linear time only for
patterns made for it: what follows a repetition here is never of the same class of characters, every repetition that can
fail is bounded, and tests run each decoder over 64 KB of what it likes least.
"""

TEXT_MAX = 65_536
"""Characters that are looked at, in a text and in each view of it."""
