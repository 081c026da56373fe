"""Arguments as they are typed: `rows=3` is a number, `name=x` a text, `ids=[1, 2]` a list."""

from collections.abc import Sequence

import typer
import yaml
from google.protobuf.struct_pb2 import Struct

from ringfence_launcher.words import pairs


def struct(given: Sequence[str] | None, *, option: str) -> Struct | None:
    """Return arguments as the pdp takes them, None when none are typed; or end with a usage error."""
    if not given:
        return None
    found = Struct()
    for key, text in pairs(given, option=option).items():
        try:
            found.update({key: yaml.safe_load(text)})
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise typer.BadParameter(f"{option} {key}: {text!r} is not a value: {error}") from error
    return found
