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
from framework.declare.table import short_hash
from framework.gold.casting import quoted
from framework.gold.validation import validate
from framework.gold.view import GoldReader, GoldSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from framework.core.services import Services
    from framework.declare.gold import GoldTable


SEPARATORS = (",", ";", "\t")
LFS = b"version https://git-lfs"
"""What a pointer to a file that was not fetched begins with."""


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
            return _csv(spark, place)
        return _parquet(spark, place, table.name)

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


def _csv(spark: SparkSession, place: Path) -> DataFrame:
    """Return a CSV file, or a folder of them, with all columns as text: types are applied by name, not by position.

    Quotes are doubled and values may hold line ends, as pandas and spreadsheets write them. The names are read here:
    Spark would look for them by a pattern, whatever is escaped.
    """
    parts = _parts(place, ".csv")
    if not parts:
        what = f"the folder {place.name} holds no .csv file"
        raise GoldError(what=what, where=place.stem, fix="remove it, or fill it")
    form = _form(parts[0], place.stem)
    for part in parts[1:]:
        if _form(part, place.stem) != form:  # Spark would read it by position
            what = f"{part.name} has another header, separator or encoding than {parts[0].name}"
            raise GoldError(what=what, where=place.stem, fix="write all parts alike")
    names, separator, encoding = form
    text = spark.read.schema(", ".join(f"{quoted(name)} STRING" for name in names))
    text = text.option("header", True).option("timeZone", "UTC").option("sep", separator).option("encoding", encoding)
    return text.option("escape", '"').option("multiLine", True).csv(literal_path(place))


def _form(file: Path, table: str) -> tuple[tuple[str, ...], str, str]:
    """Return names, separator and encoding of a CSV file."""
    start = _head(file, table)
    encoding = "UTF-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    try:
        with file.open(encoding="utf-8-sig" if encoding == "UTF-8" else "utf-16", newline="") as opened:
            line = opened.readline()
            opened.seek(0)
            separator = max(SEPARATORS, key=line.count)
            names = next(csv.reader(opened, delimiter=separator), [])
    except UnicodeDecodeError as error:
        what = f"{file.name} is neither UTF-8 nor UTF-16: {error.reason} at byte {error.start}"
        raise GoldError(what=what, where=table, fix="write it as UTF-8") from error
    plain = [name.strip().lower() for name in names]
    if len(set(plain)) < len(plain) or "" in plain:
        what = f"the header of {file.name} has names that are empty or stand twice: {line.strip()[:200]}"
        raise GoldError(what=what, where=table, fix="give each column a name of its own")
    return tuple(names), separator, encoding


def _parquet(spark: SparkSession, place: Path, table: str) -> DataFrame | None:
    """Return a parquet file, or a folder of them; ``None`` if the folder is empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyspark.sql import functions as F

    kinds: dict[str, tuple[str, str]] = {}
    parts = _parts(place, ".parquet")
    for part in parts:
        _head(part, table)
        try:
            schema = pq.read_schema(part)
        except pa.ArrowInvalid as error:
            what = f"{part.name} is no whole parquet file"
            raise GoldError(what=what, where=table, fix="copy the file again, whole") from error
        for field in schema:
            kind, first = kinds.get(field.name, ("null", ""))
            if kind == "null":
                kinds[field.name] = kind, first = _kind(field.type), part.name
            if _kind(field.type) not in (kind, "null"):
                what = f"column {field.name} is {kind} in {first} and {_kind(field.type)} in {part.name}"
                raise GoldError(what=what, where=table, fix="write all parts with one type")
    if not parts:
        return None
    # Spark would call a column without any value, which has no type, a whole number.
    empty = {name: F.lit(None) for name, (kind, _) in kinds.items() if kind == "null"}
    frame = spark.read.parquet(literal_path(place))
    return frame.withColumns(empty) if empty else frame  # Spark Connect refuses to add nothing


def _kind(kind: pa.DataType) -> str:
    """Return a type by the name under which parts may differ: text is text, however long it may get."""
    return str(kind).removeprefix("large_")


def _parts(place: Path, suffix: str) -> list[Path]:
    """Return a file, or the data files of a folder, those of its partitions included; hidden ones are no data."""
    if place.is_file():
        return [place]
    every = (file for file in sorted(place.rglob(f"*{suffix}")) if file.is_file())
    return [file for file in every if not any(part.startswith((".", "_")) for part in file.relative_to(place).parts)]


def _head(file: Path, table: str) -> bytes:
    """Return a file's first bytes.

    Raises:
        GoldError: If there are none, or they are a pointer to a file that was not fetched.
    """
    with file.open("rb") as opened:
        head = opened.read(len(LFS))
    if head and head != LFS:
        return head
    what = f"{file.name} is a pointer of Git LFS, and not the file itself" if head else f"{file.name} has 0 bytes"
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
