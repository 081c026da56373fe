"""`ringfence agent`: the registry's catalog of agents."""

import typer

from ringfence_launcher.agent import lifecycle, readiness, reading, registration, revisions

app = typer.Typer(no_args_is_help=True, help="Register agents, find them, change them, see them through their life.")
for part in (registration, reading, lifecycle, readiness, revisions):
    app.add_typer(part.app)
