"""Champion and challenger on the same rows: days on which neither was fitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from framework.declare.model import Task
from framework.registry.gate import MIN_COMPARED_DAYS
from framework.registry.models import tags_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion

    from framework.gold.runtime import Runtime
    from framework.training.data import Judged, TrainingData
    from framework.training.steps import Steps
    from framework.training.trained import Trained


def compare(trainer: Steps, runtime: Runtime, trained: Trained, champion: ModelVersion) -> dict[str, Any]:
    """Score the challenger's held-back rows with the champion, and judge both.

    The challenger's answers are those of its rolling origins. The champion's come from keys alone, as it would serve.

    Args:
        trainer: The trainer.
        runtime: The runtime.
        trained: The challenger.
        champion: The version that holds the alias.

    Returns:
        ``version``, ``days``, ``champion_skill`` and ``challenger_skill``; where they cannot be compared ``says`` why,
        and ``unusable`` if the champion could not serve at all.
    """
    from framework.registry.formulas import changed_formulas

    tags = tags_of(champion)
    found: dict[str, Any] = {"version": int(champion.version), "champion_skill": None, "challenger_skill": None}
    if tags.get("provisional") == "true":
        return found | {"unusable": True, "says": "it is provisional"}
    if changed := changed_formulas(runtime, tags):
        return found | {"unusable": True, "says": f"{changed[0]} has another formula now"}
    common = _common(trained.rolling_result.judged, tags.get("fitted_until", ""))
    days = 0 if common is None else int(common.day.nunique())
    found["days"] = days
    if common is None or days < MIN_COMPARED_DAYS:
        description = f"{days} days are judged that it was not fitted on, {MIN_COMPARED_DAYS} are needed"
        return found | {"says": description}
    answer = _answers(trainer, runtime, trained.data, common, champion, tags)
    return found | _skills(trainer, common, answer, trained.data.seed)


def _common(judged: Judged | None, fitted_until: str) -> Judged | None:
    """Return the judged rows of days after the champion's last fitted one."""
    import pandas as pd

    if judged is None or not fitted_until:
        return judged
    return judged.only((judged.day > pd.Timestamp(fitted_until)).to_numpy())


def _skills(trainer: Steps, common: Judged, answer: np.ndarray, seed: int) -> dict[str, Any]:
    from framework.training.evaluate import evaluate

    ours = common.evaluation(trainer.task, seed)
    theirs = evaluate(trainer.task, common.truth, answer, common.baseline, common.day, seed=seed, primary_only=True)
    if ours is None or theirs is None:
        return {"says": "nothing happened on those days that could tell them apart"}
    return {"champion_skill": theirs.skill, "challenger_skill": ours.skill}


def _answers(
    trainer: Steps,
    runtime: Runtime,
    data: TrainingData,
    common: Judged,
    champion: ModelVersion,
    tags: dict[str, str],
) -> np.ndarray:
    """Return the champion's answers to the common rows, in the challenger's shape."""
    import pyarrow as pa

    keys = list(data.grain.primary_key)
    asked = data.frame.iloc[common.rows][keys].assign(asked_row=range(len(common.rows)))
    outputs = [(n, t) for n, t in json.loads(tags["outputs"])]
    scored = runtime.store.score_batch(
        model_uri=f"models:/{champion.name}/{champion.version}",
        df=runtime.stage(_typed(pa.Table.from_pandas(asked, preserve_index=False), data)),
        result_type=f"struct<{','.join(f'{n}:{kind}' for n, kind in outputs)}>",
    )
    answers = runtime.collect(scored).to_pandas().sort_values("asked_row")
    return _shaped(trainer, answers, common, json.loads(tags.get("classes", "[]")), data.classes)


def _typed(asked: Any, data: TrainingData) -> Any:
    """Give the time key the type that the feature table has: pandas knows no dates."""
    import pyarrow as pa

    kind = pa.date32() if data.grain.time_type == "date" else pa.timestamp("us", tz="UTC")
    at = asked.column_names.index(data.grain.time)
    return asked.set_column(at, data.grain.time, asked.column(at).cast(kind))


def _shaped(
    trainer: Steps,
    answers: pd.DataFrame,
    common: Judged,
    theirs: list[str],
    ours: tuple[str, ...],
) -> np.ndarray:
    """Return ``(rows,)``, or ``(rows, classes|labels)`` with the champion's classes in the challenger's order."""
    import numpy as np

    if trainer.task not in (Task.MULTICLASS, Task.MULTILABEL):
        return answers["prediction"].to_numpy(float)
    names = trainer.spec.labels if trainer.task is Task.MULTILABEL else ours
    known = list(trainer.spec.labels) if trainer.task is Task.MULTILABEL else theirs
    found = np.zeros(common.answer.shape)
    for at, name in enumerate(names):
        if name in known:
            found[:, at] = answers[f"probability_{known.index(name)}"]
    return found
