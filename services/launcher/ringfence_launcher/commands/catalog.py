"""`ringfence catalog`: finding agents, and who sees which."""

import typer

from ringfence_launcher.catalog import finding, namespaces

app = typer.Typer(no_args_is_help=True, help="Find agents by words, likeness and number; pick one to call; export all.")
app.add_typer(finding.app)
app.add_typer(namespaces.app, name="namespace")
