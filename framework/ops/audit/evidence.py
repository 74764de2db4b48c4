"""What the audit looks at, as frozen data: read once, judged by the rows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    import pyarrow as pa

    from framework.ops.audit.bundle import Bundle
    from framework.stores.local.feature_spec import FeatureSpec, SpecColumn


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """What the artefact of a version holds.

    Args:
        loader: Module that loads it, as its MLmodel says.
        inputs: Input columns of its signature with their types; ``None`` if there is no input signature.
        outputs: Output columns with their types; ``None`` if there is no output signature.
        spec: Its stored lookups, or ``None``.
        spec_problem: Why the lookups cannot be read.
        raw: Whether the raw model lies beside them.
        requirements: What the raw model needs where it is served, one line each.
        served: The facts that the served model acts on: thresholds, classes, usual ranges.
        code: Source of the served model.
    """

    loader: str = ""
    inputs: tuple[tuple[str, str], ...] | None = None
    outputs: tuple[tuple[str, str], ...] | None = None
    spec: FeatureSpec | None = None
    spec_problem: str = ""
    raw: bool = False
    requirements: tuple[str, ...] = ()
    served: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    code: str = ""

    @property
    def features(self) -> list[SpecColumn]:
        """Columns that are looked up."""
        return self.spec.features if self.spec else []


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The MLflow run behind a version.

    Args:
        status: ``FINISHED``, or what MLflow says instead.
        tags: Its tags.
        params: Its parameters.
        metrics: Its metrics.
        datasets: Datasets that it names as inputs.
    """

    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    datasets: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A registered version that serves or may come to serve.

    Args:
        model: Model.
        number: Version number.
        alias: ``champion`` or ``challenger``; empty for the newest version of a model without an alias.
        status: ``READY``, or what the registry says instead.
        tags: Its tags.
        run_id: The run that it names.
        run: That run, or ``None`` if the tracking server does not hold it.
        files: What its artefact holds.
    """

    model: str
    number: int
    alias: str
    status: str
    tags: Mapping[str, str]
    run_id: str
    run: Run | None
    files: Files

    @property
    def task(self) -> str:
        """Type of the model, as its run says."""
        return self.run.tags.get("model_type", "") if self.run else ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """Stored predictions of one origin.

    Args:
        version: Version that they name.
        training_run_id: Training run that they name.
        scoring_run_id: Run of the monitor that they name.
        rows: How many there are.
    """

    version: int
    training_run_id: str
    scoring_run_id: str
    rows: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line of the ledger.

    Args:
        run_id: The run.
        stage: ``train`` or ``score``.
        as_of: The day.
        result: The stored result.
        log: The stored log events.
    """

    run_id: str
    stage: str
    as_of: date
    result: Mapping[str, Any]
    log: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Everything that is stored about one model.

    Args:
        name: Model.
        full_name: Registered name.
        use_case: Stem of its prediction table.
        registered: Whether the registry knows it.
        description: Description of the registered model.
        versions: Champion and challenger, else the newest version.
        runs: Training run of each registered version.
        newest_as_of: Day of the newest training.
        retrain_after: Days after which the newest version is due, as it says.
        answers: Its stored predictions of the last weeks, by origin.
        traced: Training runs that the tracking server holds, of those that predictions name.
        lines: Its lines of the ledger, oldest first.
    """

    name: str
    full_name: str
    use_case: str
    registered: bool = False
    description: str = ""
    versions: tuple[Version, ...] = ()
    runs: Mapping[int, str] = dataclasses.field(default_factory=dict)
    newest_as_of: date | None = None
    retrain_after: int | None = None
    answers: tuple[Answers, ...] = ()
    traced: frozenset[str] = frozenset()
    lines: tuple[Line, ...] = ()

    def last(self, stage: str) -> Line | None:
        """Return the newest line of a stage that did something."""
        done = [line for line in self.lines if line.stage == stage and line.result["status"] in ("done", "fallback")]
        return done[-1] if done else None

    def uri(self, version: int | None) -> str:
        """Return the URI of a version."""
        return f"models:/{self.full_name}/{version}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Everything that the rows are computed from.

    Args:
        models: The models that the installed domains offer, or those selected of them.
        tables: Stored schema of each feature table that a version looks up; ``None`` if it is absent.
        gold: Columns of each declared gold table.
        code: Places of the installed packages that serverless compute refuses.
        bundle: The deployed jobs, or why they cannot be read.
    """

    models: tuple[Model, ...]
    tables: Mapping[str, pa.Schema | None]
    gold: Mapping[str, frozenset[str]]
    code: tuple[str, ...]
    bundle: Bundle

    @property
    def registered(self) -> list[Model]:
        """Models that have a version."""
        return [model for model in self.models if model.versions]

    @property
    def versions(self) -> list[Version]:
        """All versions under audit."""
        return [version for model in self.models for version in model.versions]

    def readers(self, table: str) -> list[str]:
        """Return the models that look a table up."""
        return sorted({v.model for v in self.versions if any(c.table == table for c in v.files.features)})


def named(words: Iterable[str], most: int = 3) -> str:
    """Return a few words of many, and how many more there are."""
    every = list(words)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
