"""A plain table of the monitor as a declaration: columns, types, meaning, key; how rows get in and out."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from framework.core.services import Services


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MonitorTable:
    """A plain table of the monitor.

    Args:
        name: Table name without catalog and schema.
        description: What one row is.
        keys: Primary key.
        columns: Name, type (``string double int bool date timestamp``) and meaning of each column.
        unimportant: Columns whose difference alone does not rewrite a row.
    """

    name: str
    description: str
    keys: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]
    unimportant: tuple[str, ...] = ()

    def schema(self) -> pa.Schema:
        """Return the Arrow schema, with each column's meaning as its comment."""
        import pyarrow as pa

        kinds = {
            "string": pa.string(),
            "double": pa.float64(),
            "int": pa.int32(),
            "bool": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us", tz="UTC"),
        }
        return pa.schema(
            [
                pa.field(n, kinds[kind], nullable=n not in self.keys, metadata={"comment": description})
                for n, kind, description in self.columns
            ]
        )

    def merge(self, runtime: Services, rows: Sequence[Mapping[str, Any]] | pa.Table, *, schema_path: str = "") -> int:
        """Merge rows by key, in one commit.

        Args:
            runtime: The runtime.
            rows: Rows as mappings (what is absent is NULL), or an Arrow table with these columns.
            schema_path: Another ``catalog.schema`` than the runtime's.

        Returns:
            Rows inserted or changed; the same rows again are not.
        """
        import pyarrow as pa

        if not isinstance(rows, pa.Table):
            rows = pa.Table.from_pylist([dict(row) for row in rows], schema=self.schema())
        if not len(rows):
            return 0
        return runtime.tables.merge(
            f"{schema_path or runtime.settings.schema_path}.{self.name}",
            rows.select([n for n, _, _ in self.columns]).cast(self.schema()),
            keys=list(self.keys),
            unimportant=list(self.unimportant),
            description=self.description,
        )

    def delete(self, runtime: Services, values: Sequence[str]) -> None:
        """Delete the rows whose first key, a text, is one of the values."""
        runtime.tables.delete(runtime.feature_table(self.name), column=self.keys[0], values=values)

    def read(
        self, runtime: Services, where: Sequence[tuple[str, str, Any]] = (), columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return rows; none if the table was never written.

        A column that was declared after the table had been written is NULL.

        Args:
            runtime: The runtime.
            where: Conjunction of ``(column, op, value)``.
            columns: Columns to read; ``None`` for all.
        """
        import pyarrow as pa

        name = runtime.feature_table(self.name)
        if not runtime.tables.exists(name):
            schema = self.schema()
            return schema.empty_table() if columns is None else schema.empty_table().select(list(columns))
        rows = runtime.tables.read(name, columns=columns, where=list(where) or None)
        for field in self.schema() if columns is None else ():
            if field.name not in rows.column_names:
                rows = rows.append_column(field, pa.nulls(len(rows), field.type))
        return rows


def entity_of(keys: Mapping[str, Any]) -> str:
    """Return the entity of a row's keys."""
    return json.dumps({name: str(value) for name, value in keys.items()}, ensure_ascii=False)
