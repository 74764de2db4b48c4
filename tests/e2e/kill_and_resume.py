"""Kill a run outright at random moments, resume it, and compare its tables with an undisturbed run's.

    python -m tests.e2e.kill_and_resume [--kills 10] [--seed 1] [--scale 0.05] [--domains reliability] [--one-home]

Each kill has a home of its own and is resumed to the end; with ``--one-home`` all kills hit the same home, one resumed
run after the other, and the last resume ends it. Exit code 1 if any home differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from domains.simulator.write import simulate
from tests.e2e.command import AS_OF, arguments, differences, finish, kill_after, moments


def compare(gold: Path, folder: Path, *, domains: str, kills: int, seed: int, one_home: bool) -> list[str]:
    """Return what went wrong, one line per home; nothing if all ended alike."""
    began = time.monotonic()
    some = ("--domains", domains) if domains else ()
    undisturbed = finish(arguments(gold, folder / "undisturbed", *some))
    seconds = time.monotonic() - began
    if undisturbed.code:
        return [f"the undisturbed run failed: {undisturbed.err[-2000:]}"]
    wrong = []
    for at, moment in enumerate(moments(kills, seconds, seed)):
        home = folder / ("killed" if one_home else f"killed_{at}")
        running = kill_after(arguments(gold, home, "--resume", *some), moment)
        say(f"killed after {moment:5.1f} of {seconds:.1f} s ({'running' if running else 'done already'})")
        if one_home and at < kills - 1:
            continue
        resumed = finish(arguments(gold, home, "--resume", *some))
        differing = differences(folder / "undisturbed", home)
        say(f"resumed: exit {resumed.code}, differing tables: {differing or 'none'}")
        if resumed.code or differing:
            wrong.append(f"killed after {moment:.1f} s: exit {resumed.code}, differing tables {differing}")
    return wrong


def say(line: str) -> None:
    """Report progress."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Parse the options, simulate gold once, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--domains", default="reliability", help="all if empty")
    parser.add_argument("--one-home", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gold = Path(folder) / "gold"
        gold.mkdir()
        simulate(gold, scale=options.scale, last_day=AS_OF)
        wrong = compare(
            gold,
            Path(folder),
            domains=options.domains,
            kills=options.kills,
            seed=options.seed,
            one_home=options.one_home,
        )
    for line in wrong:
        say(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
