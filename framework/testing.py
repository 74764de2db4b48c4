"""Contract checks for whoever subclasses a base: run them over your own classes, as this project does.

    from framework import discover
    from framework.testing import check_builder_on_empty_gold, check_trainer

    plugins = discover(strict=True)
    check_trainer(MyTrainer, plugins)                     # no Spark, no MLflow server, a few seconds

Each check raises an :class:`AssertionError` that says what broke.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args

from framework.declare.model import FromFeature, GroupPrior, Task
from framework.training.leakage import jitter

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd
    from pyspark.sql import DataFrame

    from framework.core.plugins import Registry
    from framework.core.results import UnitResult
    from framework.declare.model import Feature
    from framework.features.builder import FeatureBuilder
    from framework.gold.view import GoldView
    from framework.training.base import ModelTrainer, SupervisedTrainer
    from framework.training.data import Fitted, TrainingData

Kind = Literal["usual", "one class", "all null", "single entity"]
ENTITIES, DAYS = 6, 50
CONTINUOUS = ("prediction", "probability", "anomaly_score")
"""What the outputs begin with that a small step of the inputs moves by a small step."""
OPEN_CLASSES = ("amber", "blue", "cyan")
WORDS = ("orders", "claims", "ledger", "stock", "")


def check_trainer(trainer: type[ModelTrainer], plugins: Registry) -> None:
    """Run every check that needs no gold: determinism, degenerate input, outputs, and whether it learns from values.

    Args:
        trainer: The class.
        plugins: What the loaded domains offer: the feature tables that it looks up are among it.

    Raises:
        AssertionError: Saying which promise the trainer breaks.
    """
    check_declaration(trainer, plugins)
    check_deterministic(trainer, plugins)
    check_learns(trainer, plugins)
    for kind in get_args(Kind):
        check_survives(trainer, plugins, kind)


def check_declaration(trainer: type[ModelTrainer], plugins: Registry) -> None:
    """Check that lookups, baseline and required features name columns that exist."""
    spec, declared = trainer.spec, _declared(trainer, plugins)
    named: set[str] = {*spec.required, *(spec.baseline.columns if isinstance(spec.baseline, FromFeature) else ())}
    if isinstance(spec.baseline, GroupPrior):
        named |= set(spec.baseline.by) - set(plugins.table(spec.lookups[0].table).keys)
    strange = sorted(name for name in named if name not in declared)
    assert not strange, f"{spec.name}: {strange} are not among its inputs"
    strange = sorted(n for n in spec.honest if n not in declared and n not in spec.labels and "." not in n)
    assert not strange, f"{spec.name}: honest names {strange}, which are neither inputs nor labels nor gold columns"
    grain = plugins.table(spec.lookups[0].table)
    unknown = sorted({column for column, _, _ in spec.score_where} - {c.name for c in grain.features})
    assert not unknown, f"{spec.name}: score_where names {unknown}, which {grain.name} does not have"
    if isinstance(spec.baseline, FromFeature) and trainer.task is Task.MULTILABEL:
        count = len(spec.baseline.columns)
        assert count in (1, len(spec.labels)), f"{spec.name}: {count} baseline columns for {len(spec.labels)} labels"


def check_deterministic(trainer: type[ModelTrainer], plugins: Registry) -> None:
    """Check that two trainings on the same rows give the same answers."""
    import pandas as pd

    data = example_data(trainer, plugins, "usual")
    one, two = (_answers(_fit(trainer, data), data.frame[list(data.inputs)]) for _ in range(2))
    pd.testing.assert_frame_equal(one, two, check_exact=False, rtol=1e-9, obj=f"answers of {trainer.spec.name}")


def check_learns(trainer: type[ModelTrainer], plugins: Registry) -> None:
    """Check that answers hang on the values of a row, and not on the row being one that was seen.

    An estimator that looks rows up, or labels by the hash of a row, answers something else when its inputs move by a
    thousandth of their spread. One that learnt from values hardly does, even on the rows that it was fitted on.
    """
    import numpy as np

    data = example_data(trainer, plugins, "usual")
    fitted, seen = _fit(trainer, data), data.split.train
    on_seen = dataclasses.replace(data, split=dataclasses.replace(data.split, test=seen))
    rows = (frame.iloc[seen][list(data.inputs)] for frame in (data.frame, jitter.nudged(on_seen).frame))
    before, after = (_answers(fitted, asked) for asked in rows)
    for name in (n for n in before if str(n).startswith(CONTINUOUS) and before[n].dtype.kind == "f"):
        answers = before[name].to_numpy()
        spread = np.abs(answers - np.median(answers)).mean()
        moved = np.abs(answers - after[name].to_numpy()).mean()
        assert moved <= jitter.LOST * spread, (
            f"{trainer.spec.name}: {name}, whose spread is {spread:.3g}, moves by {moved:.3g} when the inputs move by "
            "a thousandth of their spread; its estimator looks rows up that it has seen"
        )


def check_survives(trainer: type[ModelTrainer], plugins: Registry, kind: Kind) -> None:
    """Check that degenerate rows give a model that says what it is, with the outputs that its kind promises."""
    data = example_data(trainer, plugins, kind)
    name = f"{trainer.spec.name} on {kind} rows"
    fitted = _fit(trainer, data)
    if kind == "one class" and trainer.task is not Task.ANOMALY:
        assert fitted.fallback, f"{name}: fitted as if there were something to learn"
    asked = data.frame[list(data.inputs)]
    answers = _answers(fitted, _nothing(asked) if kind == "all null" else asked)
    promised = [column for column, _ in fitted.outputs]
    assert list(answers) == promised or set(answers) == set(promised), (
        f"{name}: answers {sorted(map(str, answers))}, its signature promises {sorted(promised)}"
    )
    assert len(answers) == len(data.frame), f"{name}: {len(answers)} answers for {len(data.frame)} rows"
    assert answers["prediction"].notna().all(), f"{name}: no prediction for some rows"


def check_labels_on_empty_gold(trainer: type[SupervisedTrainer], plugins: Registry, gold: GoldView) -> None:
    """Check that gold tables without a row give no label and no error.

    Args:
        trainer: The class.
        plugins: What the loaded domains offer.
        gold: A view whose tables are all there and all empty.
    """
    from framework.training.assemble import cast_labels

    grain = plugins.table(trainer.spec.lookups[0].table)
    rows = cast_labels(label_rows(trainer(), plugins, gold), trainer.spec, trainer.task, grain).count()
    assert rows == 0, f"{trainer.spec.name}: {rows} labels from empty gold"


def label_rows(trainer: ModelTrainer, plugins: Registry, gold: GoldView) -> DataFrame:
    """Return the labels of a trainer, or the events that judge it, on a view of gold.

    Args:
        trainer: The trainer.
        plugins: What the loaded domains offer.
        gold: Gold as known on its last day.

    Returns:
        Keys, time, the label columns (``is_event`` of a detector) and ``label_known_at``.
    """
    from framework.training.anomaly import AnomalyTrainer
    from framework.training.assemble import rows_of
    from framework.training.data import EVENT

    grain = plugins.table(trainer.spec.lookups[0].table)
    as_of = gold.days.end
    if isinstance(trainer, AnomalyTrainer):
        said = trainer.events(gold, as_of)
        assert said is not None, f"{trainer.spec.name}: no event judges it"
        return rows_of(said, trainer.spec, grain, as_of, names=(EVENT,))
    return rows_of(trainer.labels(gold, as_of), trainer.spec, grain, as_of)  # type: ignore[attr-defined]


def run_on(gold: Path, home: Path, plugins: Registry, **settings: Any) -> list[UnitResult]:
    """Build features, train, score and monitor on a folder of gold tables, embedded; it starts Spark.

    Args:
        gold: Folder with one file or folder per gold table.
        home: Where all results go; it is created.
        plugins: What the loaded domains offer.
        settings: More settings, for example ``models`` or ``as_of``.

    Returns:
        How each unit ended, in order.
    """
    from framework.core.config import Settings
    from framework.run.opening import open_runtime
    from framework.run.pipeline import STAGES, Pipeline

    home.mkdir(parents=True, exist_ok=True)
    asked = Settings.parse({"gold": str(gold), "home": home} | settings, "run_on")
    return Pipeline(open_runtime(asked, plugins)).run(STAGES)


def check_builder_on_empty_gold(builder: type[FeatureBuilder], gold: GoldView) -> None:
    """Check that gold tables without a row give a table of the declared columns without a row."""
    from framework.declare.gold import Days

    table = builder.table
    frame: DataFrame = builder().features(gold, Days(None, gold.days.end))
    absent = sorted({*table.primary_key, *(c.name for c in table.features)} - set(frame.columns))
    assert not absent, f"{table.name}: {absent} are declared and not built"
    rows = frame.count()
    assert rows == 0, f"{table.name}: {rows} rows from empty gold"


def example_data(trainer: type[ModelTrainer], plugins: Registry, kind: Kind) -> TrainingData:
    """Return made-up training rows for a trainer, by its declaration alone.

    Args:
        trainer: The class.
        plugins: What the loaded domains offer.
        kind: ``usual`` rows have a tenth of their values missing and a label that hangs on them. ``all null``
            rows are fitted as usual and asked for with nothing known: a column that is NULL in all training rows
            never reaches a fit.

    Returns:
        The rows, split by time; anomaly models get no test rows, since nothing could judge them.
    """
    import numpy as np
    import pandas as pd

    from framework.training.data import TrainingData

    spec = trainer.spec
    grain = plugins.table(spec.lookups[0].table)
    declared = _declared(trainer, plugins)
    frame = _features(grain.primary_key, declared, kind)
    frame["_day"] = frame[grain.time]
    frame["label_known_at"] = (frame[grain.time] + pd.Timedelta(days=1) + spec.horizon).dt.tz_localize("UTC")
    signal = frame[[n for n, f in declared.items() if f.type == "double"]].fillna(0).sum(axis=1)
    classes = spec.classes or (OPEN_CLASSES if trainer.task is Task.MULTICLASS else ())
    for at, label in enumerate(spec.labels):
        frame[label] = _label(trainer, signal.shift(at, fill_value=0.0), len(classes), kind)
    return TrainingData(
        spec=spec,
        grain=grain,
        frame=frame,
        split=_split(frame, test=trainer.task is not Task.ANOMALY),
        inputs=tuple(declared),
        classes=classes,
        dropped={},
        labels=None,
        without_features=0,
        entity=np.unique(frame[grain.keys[0]], return_inverse=True)[1],
        seed=7,
    )


def _declared(trainer: type[ModelTrainer], plugins: Registry) -> dict[str, Feature]:
    found: dict[str, Feature] = {}
    for lookup in trainer.spec.lookups:
        table = plugins.table(lookup.table)
        found |= {n: table.feature(n) for n in (lookup.columns or [c.name for c in table.features])}
    return found


def _features(key: tuple[str, ...], declared: dict[str, Feature], kind: Kind) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(7)
    entities = 1 if kind == "single entity" else ENTITIES
    rows = entities * DAYS
    columns: dict[str, Any] = {name: np.repeat([f"{name}-{n}" for n in range(entities)], DAYS) for name in key[:-1]}
    columns[key[-1]] = np.tile(pd.date_range("2026-03-01", periods=DAYS), entities)
    for name, feature in declared.items():
        if feature.type == "string":
            columns[name] = rng.choice(WORDS, size=rows)
        else:
            # Between 0 and 1, as shares are: a baseline may be read as a probability.
            columns[name] = np.where(rng.random(rows) < 0.1, np.nan, rng.random(rows))  # noqa: PLR2004 - a tenth
    return pd.DataFrame(columns)


def _label(trainer: type[ModelTrainer], signal: pd.Series, classes: int, kind: Kind) -> Any:
    import numpy as np

    if kind == "one class":
        return np.zeros(len(signal), dtype=float if trainer.task is Task.REGRESSION else int)
    noisy = signal.to_numpy() + np.random.default_rng(3).normal(0, 0.2, len(signal))
    if trainer.task is Task.REGRESSION:
        return noisy - noisy.min()
    return np.digitize(noisy, np.quantile(noisy, np.linspace(0, 1, max(classes, 2) + 1)[1:-1]))


def _split(frame: pd.DataFrame, *, test: bool) -> Any:
    import numpy as np

    from framework.training.split import Split

    day = (frame["_day"] - frame["_day"].min()).dt.days.to_numpy()
    cuts = (DAYS * 6 // 10, DAYS * 8 // 10)
    last: date = frame["_day"].max().date()
    return Split(
        train=np.flatnonzero(day < cuts[0]),
        calibrate=np.flatnonzero((day >= cuts[0]) & (day < cuts[1])),
        test=np.flatnonzero(day >= cuts[1]) if test else np.zeros(0, dtype=int),
        train_end=last,
        calibrate_end=last,
        test_end=last,
        train_days=cuts[0],
        unsettled=0,
        embargoed=0,
        too_new=0,
    )


def _fit(trainer: type[ModelTrainer], data: TrainingData) -> Fitted:
    nobody: Any = None  # nothing but the judging of anomalies asks for a runtime
    return trainer().fit(data, nobody)


def _nothing(asked: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with every number missing and every text NULL."""
    import numpy as np

    return asked.assign(**{str(n): np.nan if asked[n].dtype.kind == "f" else None for n in asked})


def _answers(fitted: Fitted, asked: pd.DataFrame) -> pd.DataFrame:
    """Return what the served model answers, through the same files and code that a registry would hold."""
    from framework.training.served_model import ServedModel

    with tempfile.TemporaryDirectory() as folder:
        files = {"estimators": Path(folder) / "estimators.pkl", "served": Path(folder) / "served.json"}
        files["estimators"].write_bytes(pickle.dumps(fitted.estimators))
        files["served"].write_text(json.dumps(fitted.served), encoding="utf-8")
        model = ServedModel()
        model.load_context(SimpleNamespace(artifacts={name: str(file) for name, file in files.items()}))
        found: pd.DataFrame = model.predict(None, asked)
        return found
