"""Gold tables from a folder: ``<table>.parquet`` (file or directory), ``<table>.csv``, or Delta in ``<table>``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.errors import GoldError
from framework.declare.labels import KNOWN_AT
from framework.gold.validation import validate
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from pyspark.sql import DataFrame

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
        """Return the raw table, or ``None`` if the folder has no file of its name."""
        spark = self._runtime.spark
        parquet, csv = self._folder / f"{table.name}.parquet", self._folder / f"{table.name}.csv"
        delta = self._folder / table.name
        if parquet.exists():
            return spark.read.parquet(str(parquet))
        if csv.exists():
            # All columns as text: the contract's types are applied by name, not by position.
            # Quotes are doubled and values may hold line ends, as pandas and spreadsheets write them.
            text = spark.read.option("header", True).option("timeZone", "UTC")
            return text.option("escape", '"').option("multiLine", True).csv(str(csv))
        if (delta / "_delta_log").is_dir():
            return self._runtime.open_delta(str(delta))
        return None

    def newest_day(self) -> date:
        """Return the newest day on which any row of a fact table became known."""
        return newest_known_day(self, self._tables, str(self._folder))


def newest_known_day(reader: GoldReader, tables: Iterable[GoldTable], where: str) -> date:
    """Return the newest day on which any row of a fact table became known.

    Args:
        reader: Reads the tables.
        tables: Declared tables.
        where: What is read, for the message.

    Returns:
        The day.

    Raises:
        GoldError: If no fact table has a row.
    """
    from pyspark.sql import functions as F

    newest = []
    for table in tables:
        raw = None if table.history else reader.read(table)
        if raw is not None:
            newest.append(validate(raw, table).agg(F.to_date(F.max(KNOWN_AT)).alias("day")).collect()[0]["day"])
    known: list[date] = [day for day in newest if day is not None]
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
