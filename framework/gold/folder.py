"""Gold tables from a folder: ``<table>.parquet`` (file or directory), ``<table>.csv``, or Delta in ``<table>``."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from framework.base.errors import GoldError
from framework.base.logging import get_logger
from framework.base.paths import literal_path
from framework.declare.labels import KNOWN_AT
from framework.gold.validation import validate
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession

    from framework.core.services import Services
    from framework.declare.gold import GoldTable


SEPARATORS = (",", ";", "\t")
PARQUET, LFS = b"PAR1", b"version https://git-lfs"
"""What a parquet file, and a pointer to a file that was not fetched, begin with."""


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
        spark = self._runtime.spark
        forms = (f"{table.name}.parquet", f"{table.name}.csv", table.name)
        found = [self._folder / form for form in forms if (self._folder / form).exists()]
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
            return _csv(spark, place)
        files = [place] if place.is_file() else _parts(place)
        for file in files:
            _check_parquet(file, table.name)
        return spark.read.parquet(literal_path(place)) if files else None

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
        try:
            raw = None if table.history else reader.read(table)
        except GoldError as error:  # whoever needs the table fails with these words; the day is that of the others
            get_logger().warning("gold_table_unreadable", table=table.name, reason=str(error))
            continue
        if raw is not None:
            newest.append(validate(raw, table).agg(F.to_date(F.max(KNOWN_AT)).alias("day")).collect()[0]["day"])
    known: list[date] = [day for day in newest if day is not None]
    if not known:
        raise GoldError(what="no fact table has a row, so there is no newest day", where=where, fix="give --as-of DATE")
    return max(known)


def _csv(spark: SparkSession, place: Path) -> DataFrame:
    """Return a CSV file, or a folder of them, with all columns as text: types are applied by name, not by position.

    Quotes are doubled and values may hold line ends, as pandas and spreadsheets write them. The names are read here:
    Spark would look for them by a pattern, whatever is escaped.
    """
    first = place if place.is_file() else next(iter(sorted(place.glob("*.csv"))), None)
    if first is None:
        what = f"the folder {place.name} holds no .csv file"
        raise GoldError(what=what, where=place.stem, fix="remove it, or fill it")
    with first.open("rb") as opened:
        start = opened.read(4)
    encoding = "UTF-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    try:
        with first.open(encoding="utf-8-sig" if encoding == "UTF-8" else "utf-16", newline="") as opened:
            line = opened.readline()
            opened.seek(0)
            separator = max(SEPARATORS, key=line.count)
            names = next(csv.reader(opened, delimiter=separator), [])
    except UnicodeDecodeError as error:
        what = f"{first.name} is neither UTF-8 nor UTF-16: {error.reason} at byte {error.start}"
        raise GoldError(what=what, where=place.stem, fix="write it as UTF-8") from error
    plain = [name.strip().lower() for name in names]
    if not names or len(set(plain)) < len(plain) or "" in plain:
        what = f"the header of {first.name} has names that are empty or stand twice: {line.strip()[:200]}"
        raise GoldError(what=what, where=place.stem, fix="give each column a name of its own")
    schema = ", ".join(f"`{name.replace('`', '``')}` STRING" for name in names)
    text = spark.read.schema(schema).option("header", True).option("timeZone", "UTC").option("sep", separator)
    return text.option("encoding", encoding).option("escape", '"').option("multiLine", True).csv(literal_path(place))


def _parts(folder: Path) -> list[Path]:
    """Return the data files of a folder, those of its partitions included; hidden ones are no data."""
    hidden = (".", "_")
    every = (file for file in sorted(folder.rglob("*")) if file.is_file())
    parts = (file for file in every if not any(part.startswith(hidden) for part in file.relative_to(folder).parts))
    return [file for file in parts if file.suffix == ".parquet"]


def _check_parquet(file: Path, table: str) -> None:
    """Refuse a file that cannot be parquet, before Spark does so in words of its own."""
    with file.open("rb") as opened:
        head = opened.read(len(LFS))
    what = ""
    if not head:
        what = f"{file.name} is empty: it has 0 bytes"
    elif head == LFS:
        what = f"{file.name} is a pointer of Git LFS, and not the file itself"
    elif not head.startswith(PARQUET):
        what = f"{file.name} is no parquet file"
    if what:
        raise GoldError(what=what, where=table, fix="copy the file again, whole")


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
