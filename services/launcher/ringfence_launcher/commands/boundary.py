"""`ringfence boundary`: what is governed together, and the systems outside that are trusted."""

import typer

from ringfence_launcher.boundary import boundaries, systems

app = typer.Typer(no_args_is_help=True, help="Group agents and systems that are governed together; trust systems.")
app.add_typer(boundaries.app)
app.add_typer(systems.trusting)
app.add_typer(systems.app, name="system")
