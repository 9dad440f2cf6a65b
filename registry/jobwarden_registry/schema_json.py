"""The JSON schema of active_jobs.json, made from the model: `python -m jobwarden_registry.schema_json [--write]`."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import TypeAdapter

from jobwarden_registry.model import JobRecord
from jobwarden_registry.rawjson import Raw, write_json
from jobwarden_registry.records import CONTRACT

SCHEMA_FILE = Path(__file__).parent / "schema" / "active_jobs.schema.json"

_DESCRIPTION = (
    "The jobs that one agent session watches. The first eight keys of an entry ("
    + ", ".join(CONTRACT)
    + ") are a public contract; an entry written by hand needs only type and id, and host "
    "where it is not this machine. Everything else is jobwarden's own and optional. Unknown keys are kept."
)


def schema_text() -> str:
    """Write the schema as it is shipped."""
    schema: Raw = TypeAdapter(list[JobRecord]).json_schema()
    head: Raw = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "active_jobs.json",
        "description": _DESCRIPTION,
    }
    return write_json({**head, **schema}, indent=2).decode() + "\n"


def main(arguments: list[str]) -> int:
    """Print the schema, or write the file that is shipped."""
    if arguments == ["--write"]:
        SCHEMA_FILE.parent.mkdir(exist_ok=True)
        SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
        return 0
    if arguments:
        sys.stderr.write("usage: python -m jobwarden_registry.schema_json [--write]\n")
        return 2
    sys.stdout.write(schema_text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
