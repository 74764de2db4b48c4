"""Two engines, one gold: ``python -m tests.conformance --gold FOLDER`` prints where their frames differ."""

# ruff: noqa: T201 - it speaks on stdout

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.frames import compare, write

ENGINES = ("sail", "spark")


def main() -> int:
    """Write the frames of each engine in a process of its own, and compare them."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--gold", required=True, help="a folder of gold tables")
    parser.add_argument("--as-of", default=None)
    parser.add_argument("--models", default="", help="models whose labels are compared, all by default")
    parser.add_argument("--engine", choices=ENGINES, help="write the frames of one engine only, to --out")
    parser.add_argument("--out", type=Path, help="a folder to keep the frames in")
    options = parser.parse_args()
    if options.engine:
        write(options.engine, options.gold, options.as_of, options.out, tuple(filter(None, options.models.split(","))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        for engine in ENGINES:
            command = [sys.executable, "-m", "tests.conformance", *sys.argv[1:], "--engine", engine]
            subprocess.run([*command, "--out", str(out / engine)], check=True, env=dict(os.environ))
        differences = list(compare(out / ENGINES[0], out / ENGINES[1]))
    print("\n".join(differences) or "no difference")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
