"""A person's home, with clients in any state, and jobwarden to be installed into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jobwarden.installing.clients import Client, Places, Scope, places
from jobwarden.installing.doing import carry_out
from jobwarden.installing.planning import Plan, plan_install, plan_uninstall


@dataclass
class Home:
    root: Path
    program: Path
    env: dict[str, str] = field(default_factory=dict[str, str])

    def at(self, client: Client, scope: Scope = "user") -> Places:
        return places(client, scope, self.env, self.root / "project")

    def install(self, client: Client, scope: Scope = "user", program: Path | None = None) -> Plan:
        plan = plan_install(self.at(client, scope), self.env, program or self.program)
        carry_out(plan)
        return plan

    def uninstall(self, client: Client, scope: Scope = "user") -> Plan:
        plan = plan_uninstall(self.at(client, scope), self.env)
        carry_out(plan)
        return plan

    def tree(self) -> Mapping[str, bytes | None]:
        """Give every file and folder: a link by where it leads."""
        found: dict[str, bytes | None] = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if path.is_symlink():
                found[name] = str(path.readlink()).encode()
            else:
                found[name] = None if path.is_dir() else path.read_bytes()
        return found
