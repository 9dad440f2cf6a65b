"""The accounting database: made once for all clusters, then copied, because slurmdbd takes 6 s to make its tables."""

import hashlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from cluster.daemons import await_ready, command, start, stop
from cluster.errors import ClusterError
from cluster.layout import CHECKOUT, Layout
from cluster.processes import wait_until
from cluster.texts import ACCOUNT, CLUSTER_NAME, DATABASE, QOSES, SLURM_USER, my_cnf


def prepare(layout: Layout) -> bool:
    """Make sure that the cluster's database is there, stopped; return whether it is filled already."""
    data = layout.root / "mysql"
    if layout.accounting_ready.exists():
        return True
    # A datadir without that mark is half-made.
    shutil.rmtree(data, ignore_errors=True)
    template = _template(layout)
    if template.exists():
        shutil.copytree(template, data)
        _give_to_slurm(data)
        layout.accounting_ready.touch()
        return True
    _checked(
        layout,
        [
            *("mariadb-install-db", "--no-defaults", f"--user={SLURM_USER}", f"--datadir={data}", "--skip-test-db"),
            *("--auth-root-authentication-method=normal", "--innodb-log-file-size=8M"),
        ],
    )
    return False


def fill(layout: Layout) -> None:
    """Create the tables, users and QOSes, and keep a copy for the next cluster; needs munged and a running mariadbd."""
    _sql(
        layout,
        f"CREATE DATABASE {DATABASE}; "
        "CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'slurm'; "
        f"GRANT ALL ON {DATABASE}.* TO slurm@'127.0.0.1';",
    )
    start(layout, "slurmdbd")
    await_ready(layout, "slurmdbd")
    if not wait_until(lambda: command(layout, "sacctmgr", "-n", "show", "cluster").returncode == 0, timeout_s=60):
        raise ClusterError("slurmdbd does not answer")
    qoses = ",".join(["normal", *QOSES])
    people = ",".join(layout.users)
    for words in (
        ["cluster", CLUSTER_NAME],
        *(["qos", name, limit] for name, limit in QOSES.items()),
        ["account", ACCOUNT, f"cluster={CLUSTER_NAME}", "description=tests", "organization=tests"],
        ["user", people, f"account={ACCOUNT}", f"cluster={CLUSTER_NAME}", f"qos={qoses}", "defaultqos=normal"],
    ):
        done = command(layout, "sacctmgr", "-i", "add", *words)
        if done.returncode != 0:
            raise ClusterError(f"sacctmgr add {' '.join(words)}: {done.stdout}{done.stderr}")
    stop(layout, "slurmdbd")
    stop(layout, "mariadbd")
    with suppress(OSError):  # the copy only saves time: a checkout that cannot be written works without it
        _keep_template(layout)
    layout.accounting_ready.touch()


def strike_out(layout: Layout, job: str, *, gone: bool) -> None:
    """Take a job's records out of the table that sacct asks, or put them back, as a purge and an archive's load do."""
    table, kept = f"{DATABASE}.{CLUSTER_NAME}_job_table", f"{DATABASE}.jobs_struck_out"
    source, target = (table, kept) if gone else (kept, table)
    _sql(
        layout,
        f"CREATE TABLE IF NOT EXISTS {kept} LIKE {table};"
        f"INSERT INTO {target} SELECT * FROM {source} WHERE id_job={int(job)};"
        f"DELETE FROM {source} WHERE id_job={int(job)};",
    )


def _template(layout: Layout) -> Path:
    """Return where the copy for clusters made like this one lies; another version or recipe has another name."""
    recipe = inspect.getsource(sys.modules[__name__]) + my_cnf(layout).replace(str(layout.root), "")
    recipe = recipe.replace(str(layout.ports["mariadbd"]), "")
    versions = [command(layout, program, "--version").stdout for program in ("mariadbd", "squeue")]
    parts = [recipe, CLUSTER_NAME, *layout.users, repr(QOSES), *versions]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    kind = f"database-{layout.release}" if layout.release else "database"
    return CHECKOUT / ".cluster" / f"{kind}-{digest}"


def _keep_template(layout: Layout) -> None:
    template = _template(layout)
    template.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when whole: a cluster that comes up meanwhile finds none, or all of it.
    with tempfile.TemporaryDirectory(dir=template.parent, prefix="database-new-") as workshop:
        made = Path(workshop) / "data"
        shutil.copytree(layout.root / "mysql", made)
        if not template.exists():
            made.rename(template)
    for old in template.parent.glob(f"{template.name.rpartition('-')[0]}-????????????"):
        if old != template:
            shutil.rmtree(old)


def _give_to_slurm(folder: Path) -> None:
    shutil.chown(folder, SLURM_USER, SLURM_USER)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            shutil.chown(Path(place) / name, SLURM_USER, SLURM_USER)


def _sql(layout: Layout, statements: str) -> None:
    _checked(
        layout, ["mariadb", "--no-defaults", f"--socket={layout.database_socket}", "--user=root", "-e", statements]
    )


def _checked(layout: Layout, argv: list[str]) -> str:
    done = subprocess.run(layout.inside(*argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{argv[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
