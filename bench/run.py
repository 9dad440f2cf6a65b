"""Run every benchmark in this folder, one after the other: `python bench/run.py [NAME...]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    """Run those whose file name contains one of the names; all without names."""
    scripts = [
        script for script in sorted(HERE.glob("bench_*.py")) if not names or any(n in script.name for n in names)
    ]
    failed: list[str] = []
    for script in scripts:
        print(f"\n== {script.name}", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode != 0:
            failed.append(script.name)
    print(f"\n{len(scripts) - len(failed)} benchmarks ran" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    return 1 if failed or not scripts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
