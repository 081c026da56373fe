"""`ringfence config`: what the services would run with, and why."""

import tomllib
from typing import Annotated

import typer
from ringfence_kit.config_render import render

from ringfence_launcher.commands.serve import ServiceName
from ringfence_launcher.options import ConfigFileOption, SetOption, prints
from ringfence_launcher.output import Output
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import assignments, load_settings

app = typer.Typer(help="Print the effective configuration and where each value comes from.")


@app.command(
    epilog="Examples: ringfence config\n\n"
    "ringfence config pdp --config ringfence.toml\n\n"
    "ringfence config --docs > ringfence.toml"
)
@prints
def config(
    out: Output,
    service: Annotated[
        ServiceName | None, typer.Argument(metavar="SERVICE", help="Only this service, and what it shares.")
    ] = None,
    *,
    config: ConfigFileOption = None,
    settings: SetOption = None,
    docs: Annotated[bool, typer.Option("--docs", help="Say before each setting what it is for.")] = False,
) -> None:
    """Print every setting with its value and its source: default, file, environment or flag.

    What is printed is TOML that can be used as a configuration file; secrets are not shown.
    """
    names = [service.value] if service else list(ENTRIES)
    configuration = load_settings(names, file=config, flags=assignments(settings))
    text = render(configuration, docs=docs)
    sources = {
        leaf.path: configuration.source(leaf.path) for table in configuration.tables.values() for leaf in table.leaves()
    }
    out.value({"settings": tomllib.loads(text), "sources": sources}, lambda: text.rstrip("\n"))
