"""The command discover: jobs that nobody watches."""

from __future__ import annotations

import click

from jobwarden.cli import exit_codes
from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.jobs import answer


@click.command(
    epilog=examples(
        "jobwarden discover --host cluster-a", "jobwarden discover --adopt 12345", "jobwarden discover --adopt all"
    )
)
@click.option("--host", metavar="HOST", help="Look there. [default: here, and every host configured or watched]")
@click.option("--type", "kind", metavar="TYPE", help="Only jobs of this type.")
@click.option("--adopt", multiple=True, metavar="ID|all", help="Watch it from now on; may be given again.")
@shared_options
@pass_face
def discover(
    face: Face, *, host: str | None, kind: str | None, adopt: tuple[str, ...], session: str | None, as_json: bool
) -> ExitCode:
    """List your living jobs that no session watches.

    With --adopt they are watched from now on.
    """
    view = face.ask(session, lambda service, caller: service.discover(caller, host=host, type=kind, adopt=adopt))
    from jobwarden.cli.tables import discover_text

    answer(face, view, discover_text, as_json=as_json)
    return exit_codes.of_discover(view)
