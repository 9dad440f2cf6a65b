"""A launcher in small, for tests: one nemo-run experiment, made and named as the Model-Optimizer launcher does.

Runs in nemo-run's own environment (`support/nemo.py`), with one JSON object as its argument.
"""

import importlib
import json
import sys
from typing import Any

run: Any = importlib.import_module("nemo_run")  # by name: the checkers' environment does not have it


def main() -> None:
    """Run what the argument says: tasks (shell scripts), job_name, sequential, detach, and slurm (null: here)."""
    said = json.loads(sys.argv[1])
    with run.Experiment("cicd") as experiment:
        for index, script in enumerate(said["tasks"]):
            experiment.add(
                run.Script(inline=script),
                executor=executor(said["slurm"]),
                name=f"{said['job_name']}_{index}",
                tail_logs=True,
            )
        experiment.run(sequential=said["sequential"], detach=said["detach"], tail_logs=not said["detach"])


def executor(slurm: dict[str, str] | None) -> object:
    if slurm is None:
        return run.LocalExecutor()
    tunnel = run.SSHTunnel(host=slurm["host"], user=slurm["user"], job_dir=slurm["job_dir"])
    return run.SlurmExecutor(
        account=slurm["account"],
        partition=slurm["partition"],
        tunnel=tunnel,
        packager=run.Packager(),
        nodes=1,
        ntasks_per_node=1,
        mem="100",
        time="00:05:00",
        container_image=None,
    )


if __name__ == "__main__":
    main()
