"""What makes text readable again: each decoder takes a text and returns it as somebody else would read it.

A decoder is a function of the text alone, returns what it was given when there is nothing to do, never raises and never
returns more than `TEXT_MAX` characters from a text of at most as many.
"""

TEXT_MAX = 65_536
"""Characters that are looked at, in a text and in each view of it."""
