"""Gold tables from a folder: ``<table>.parquet`` (file or directory), ``<table>.csv``, or Delta in ``<table>``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.errors import GoldError
from framework.base.logging import get_logger
from framework.base.paths import literal_path
from framework.declare.labels import KNOWN_AT
from framework.declare.table import short_hash
from framework.gold.files import csv_rows, is_plain, parquet_kinds, parquet_rows
from framework.gold.validation import validate
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from pyspark.sql import DataFrame

    from framework.core.ports import Frame
    from framework.core.services import Services
    from framework.declare.gold import GoldTable


class FolderReader(GoldReader):
    """Reads declared tables from a folder.

    Args:
        runtime: For its Spark session.
        folder: The folder.
        tables: Declared tables; the newest day is looked for among them.
    """

    def __init__(self, runtime: Services, folder: Path, tables: tuple[GoldTable, ...]) -> None:
        self._runtime = runtime
        self._folder = folder
        self._tables = tables

    def read(self, table: GoldTable) -> DataFrame | None:
        """Return the raw table, or ``None`` if the folder has nothing of its name, or an empty folder.

        Raises:
            GoldError: If the table stands there in two forms, or a file is not what its name says.
        """
        from pyspark.sql import functions as F

        found = self._places(table)
        if len(found) > 1:
            raise GoldError(
                what=f"the table stands there twice, as {found[0].name} and {found[1].name}",
                where=table.name,
                fix="remove the one that is not meant",
            )
        if not found:
            return None
        (place,) = found
        if (place / "_delta_log").is_dir():  # whatever the folder is called: its files hold all versions
            return self._runtime.open_delta(str(place))
        if place.suffix == ".csv":
            return self._kept(table, lambda: csv_rows(place))
        kinds = parquet_kinds(place, table.name)
        if not kinds:
            return None
        if is_plain(place, kinds):
            frame = self._runtime.spark.read.parquet(literal_path(place))
        else:
            frame = self._kept(table, lambda: parquet_rows(place, kinds))
        # An engine would call a column without any value, which has no type, a whole number.
        empty = {name: F.lit(None) for name, kind in kinds.items() if str(kind) == "null"}
        return frame.withColumns(empty) if empty else frame  # Spark Connect refuses to add nothing

    def _kept(self, table: GoldTable, rows: Callable[[], Frame]) -> DataFrame:
        """Return rows that were read here, once for each state of the files."""
        return self._runtime.keep(f"gold {table.name} {self.state(table)}", rows)

    def newest_day(self) -> date:
        """Return the newest day on which any row of a fact table became known."""
        return newest_known_day(self, self._tables, str(self._folder), self._runtime.clock.now().date())

    def state(self, table: GoldTable) -> str | None:
        """Return a hash of the table's files: names, sizes, and when each was written or put there.

        ``None`` if one of them may not be looked at, or goes meanwhile: whoever needs the table will name it.
        """
        try:
            places = self._places(table)
            files = [place for place in places if place.is_file()]
            files += [file for place in places for file in place.rglob("*") if file.is_file()]
            facts = [(file, file.stat()) for file in sorted(files)]
        except OSError:
            return None
        return short_hash([f"{file} {of.st_size} {of.st_mtime_ns} {of.st_ctime_ns}" for file, of in facts])

    def _places(self, table: GoldTable) -> list[Path]:
        """Return the files and folders of a table's name: more than one is an error of whoever reads it."""
        forms = (f"{table.name}.parquet", f"{table.name}.csv", table.name)
        return [self._folder / form for form in forms if (self._folder / form).exists()]


def newest_known_day(reader: GoldReader, tables: Iterable[GoldTable], where: str, today: date) -> date:
    """Return the newest day on which any row of a fact table became known.

    Rows of days after today move it only if there are no others: a clock was wrong somewhere, and a log line says so.

    Args:
        reader: Reads the tables.
        tables: Declared tables.
        where: What is read, for the message.
        today: The day of the run's clock.

    Returns:
        The day.

    Raises:
        GoldError: If no fact table has a row.
    """
    from pyspark.sql import functions as F

    past: list[date] = []
    ahead: list[date] = []
    for table in tables:
        try:
            raw = None if table.history else reader.read(table)
        except GoldError as error:  # whoever needs the table fails with these words; the day is that of the others
            get_logger().warning("gold_table_unreadable", table=table.name, reason=str(error))
            continue
        if raw is None:
            continue
        day = F.to_date(KNOWN_AT)  # columns need a session, which the first read opens
        late = day > F.lit(today)
        newest = (
            F.max(F.when(~late, day)).alias("past"),
            F.max(F.when(late, day)).alias("ahead"),
            F.count_if(late).alias("n"),
        )
        found = validate(raw, table).agg(*newest).collect()[0]
        if found["n"]:
            get_logger().warning("gold_rows_after_today", table=table.name, rows=found["n"], newest=str(found["ahead"]))
        past += filter(None, [found["past"]])
        ahead += filter(None, [found["ahead"]])
    known = past or ahead
    if not known:
        raise GoldError(what="no fact table has a row, so there is no newest day", where=where, fix="give --as-of DATE")
    return max(known)


class FolderSource(GoldSource):
    """A folder of gold tables: a closed export, so its newest day is complete.

    Args:
        tables: The tables that may stand in it.
    """

    name = "folder"
    incomplete_days = 0

    def __init__(self, tables: tuple[GoldTable, ...]) -> None:
        self.tables = tables

    def open(self, runtime: Services, where: str) -> GoldReader:
        """Open the folder.

        Raises:
            GoldError: If it does not exist or holds no declared table.
        """
        folder = Path(where).expanduser()
        known = {t.name for t in runtime.plugins.gold_tables().values()}
        if not folder.is_dir():
            raise GoldError(
                what="no such folder, and no gold source of that name",
                where=where,
                fix="give a folder, or `--gold simulate`",
            )
        if not any(path.stem in known for path in folder.iterdir()):
            raise GoldError(
                what="the folder holds none of the declared gold tables",
                where=where,
                fix=f"put at least one of {', '.join(sorted(known))} there as .parquet, .csv or a Delta folder",
            )
        return FolderReader(runtime, folder, tuple(runtime.plugins.gold_tables().values()))
