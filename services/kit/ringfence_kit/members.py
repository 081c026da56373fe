"""Members of an enumeration as plain attributes of its class.

Until Python 3.12 `Colour.RED` runs a property written in Python, which takes as long as looking something up in five
dictionaries. Where every call asks for members a dozen times, that is a microsecond.
"""

import enum
from typing import TypeVar

EnumT = TypeVar("EnumT", bound=enum.Enum)


def plain_members(enumeration: type[EnumT]) -> type[EnumT]:
    """Decorate an enumeration: its members are found like any attribute, and are what they were."""
    for name, member in enumeration.__members__.items():
        # An enumeration refuses to have its members set again, also to what they are.
        type.__setattr__(enumeration, name, member)
    return enumeration
