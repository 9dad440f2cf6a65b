"""The command rules: what is looked for in the logs of a job, and done then."""

from __future__ import annotations

from pathlib import Path

import click

from jobwarden.cli.exit_codes import ExitCode
from jobwarden.cli.face import Face, examples, pass_face, shared_options
from jobwarden.cli.halting import lift
from jobwarden.cli.jobs import answer

_ACTIONS = ("list", "add", "test", "pause", "resume", "remove", "trigger")


@click.command(
    epilog=examples(
        "jobwarden rules list 12345",
        "jobwarden rules test 12345 'pattern=\"loss: (.+)\" max_triggers=1'",
        "jobwarden rules add 12345 'pattern=\"out of memory\" action=notify'",
        "jobwarden rules add 12345 --file train.sh",
        "jobwarden rules pause 12345 rule-1",
        "jobwarden rules resume --all",
    )
)
@click.argument("action", type=click.Choice(_ACTIONS))
@click.argument("job", required=False)
@click.argument("rule", required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the rules from the #WATCHER lines of this file.",
)
@click.option("--all", "all_rules", is_flag=True, help="resume: let all rules act again that a stop has halted.")
@shared_options
@pass_face
def rules(
    face: Face,
    *,
    action: str,
    job: str | None,
    rule: str | None,
    path: Path | None,
    all_rules: bool,
    session: str | None,
    as_json: bool,
) -> ExitCode:
    """List, add, try or change the rules of a job.

    RULE is a rule in the #WATCHER syntax for add and test, else a rule's name. A rule that is added looks at what is
    written from then on; test says for which lines of the present log it would have fired, and does nothing.
    """
    if all_rules:
        if action != "resume" or job is not None:
            raise click.UsageError("--all goes with resume alone, and without a job.")
        return lift(face, session=session, project=False, as_json=as_json)
    if job is None:
        raise click.UsageError("Which job?")
    if path is not None:
        rule = marked_lines(path.read_text(encoding="utf-8", errors="replace"))
    view = face.ask(session, lambda service, caller: service.watch_log(caller, job, action=action, rule=rule))
    from jobwarden.cli.rule_tables import rules_text

    answer(face, view, rules_text, as_json=as_json)
    return ExitCode.OK


def marked_lines(text: str) -> str:
    """Leave of a script the lines that may be rules: those that begin with `#`."""
    return "\n".join(line for line in text.splitlines() if line.lstrip().startswith("#"))
