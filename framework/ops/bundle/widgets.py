"""The widgets of a dashboard as its file takes them: each with the query that asks a dataset for its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Widget = dict[str, Any]
# The number that the file gives each form of a widget; another one is drawn as "invalid definition".
VERSIONS = {"counter": 2, "table": 2, "filter-multi-select": 2, "bar": 3, "line": 3, "heatmap": 3}
TIME, NUMBER, NAME = "temporal", "quantitative", "categorical"


def text(name: str, *lines: str) -> Widget:
    """Return a text in Markdown."""
    return {"name": name, "multilineTextboxSpec": {"lines": [f"{line}\n" for line in lines]}}


def counter(name: str, title: str, dataset: str, field: str) -> Widget:
    """Return the number of rows of a dataset in which a field has a value."""
    count = f"count({field})"
    encodings = {"value": {"fieldName": count, "displayName": title}}
    return _widget(name, "counter", title, _query(dataset, {count: f"COUNT(`{field}`)"}), encodings)


def chart(
    name: str, kind: str, title: str, dataset: str, axes: Mapping[str, tuple[str, str, str]], total: str = "SUM"
) -> Widget:
    """Return a chart.

    Args:
        name: Name of the widget, unique on its page.
        kind: ``bar``, ``line`` or ``heatmap``.
        title: Title.
        dataset: Dataset.
        axes: Column, kind of scale and title of ``x``, ``y`` and ``color``; each number is a total over the others.
        total: The aggregate that makes the total.
    """
    fields, encodings = {}, {}
    for axis, (column, scale, description) in axes.items():
        field = f"{total.lower()}({column})" if scale == NUMBER else column
        fields[field] = f"{total}(`{column}`)" if scale == NUMBER else f"`{column}`"
        encodings[axis] = {"fieldName": field, "scale": {"type": scale}, "displayName": description}
    return _widget(name, kind, title, _query(dataset, fields), encodings)


def table(name: str, title: str, dataset: str, columns: Mapping[str, str]) -> Widget:
    """Return a table of a dataset's rows: its columns and their titles."""
    query = _query(dataset, {column: f"`{column}`" for column in columns}, rows=True)
    shown = [{"fieldName": column, "displayName": description} for column, description in columns.items()]
    return _widget(name, "table", title, query, {"columns": shown})


def choice(name: str, title: str, column: str, datasets: Sequence[str]) -> Widget:
    """Return a filter that narrows several datasets of its page to the chosen values of a column."""
    queries = [
        query | {"name": f"{name}_{dataset}"}
        for dataset in datasets
        for query in _query(dataset, {column: f"`{column}`"})
    ]
    fields = [{"fieldName": column, "displayName": title, "queryName": query["name"]} for query in queries]
    return _widget(name, "filter-multi-select", title, queries, {"fields": fields})


def _query(dataset: str, fields: Mapping[str, str], *, rows: bool = False) -> list[dict[str, Any]]:
    asked = [{"name": name, "expression": expression} for name, expression in fields.items()]
    return [{"name": "main_query", "query": {"datasetName": dataset, "fields": asked, "disaggregated": rows}}]


def _widget(name: str, kind: str, title: str, queries: list[dict[str, Any]], encodings: dict[str, Any]) -> Widget:
    frame = {"showTitle": True, "title": title}
    spec = {"version": VERSIONS[kind], "widgetType": kind, "encodings": encodings, "frame": frame}
    return {"name": name, "queries": queries, "spec": spec}
