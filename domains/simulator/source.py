"""Where gold comes from when there is no gold layer: a simulated one."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from domains.gold.contract import TABLES
from framework.gold.folder import FolderReader
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from framework.core.services import Services
    from framework.declare.gold import GoldTable

LAST_DAY = date(2026, 10, 28)


class SimulatedSource(GoldSource):
    """A simulated gold layer, written once per seed, scale and day below the home folder.

    Rows that arrive late are not there yet on the newest day, as in life.
    """

    name = "simulate"
    tables = TABLES
    incomplete_days = 1

    def open(self, runtime: Services, where: str) -> GoldReader:
        """Write the simulated tables unless they are there, and open them."""
        settings = runtime.settings
        last = settings.as_of or LAST_DAY
        folder = Path(settings.home) / "gold" / f"seed{settings.seed}_scale{settings.scale:g}_{last.isoformat()}"
        done = folder / "done.json"
        if not done.exists():
            from domains.simulator.write import simulate

            # A folder without its mark is what a killed run left: it is made anew.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            rows = simulate(folder, seed=settings.seed, scale=settings.scale, last_day=last)
            done.write_text(json.dumps(dict(rows)), encoding="utf-8")
        return _SimulatedReader(runtime, folder, TABLES, last)


class _SimulatedReader(FolderReader):
    def __init__(self, runtime: Services, folder: Path, tables: tuple[GoldTable, ...], last: date) -> None:
        super().__init__(runtime, folder, tables)
        self._last = last

    def newest_day(self) -> date:
        """Return the last simulated day."""
        return self._last
