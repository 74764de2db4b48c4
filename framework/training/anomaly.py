"""AnomalyTrainer: learns no labels; is judged, where it can be, by events it never saw."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any, final

from framework.base.clock import midnight
from framework.core.services import Memo
from framework.declare.labels import LABEL_KNOWN_AT, Label
from framework.declare.model import TableSpec, Task
from framework.training.alarm import alert_from
from framework.training.assemble import rows_of
from framework.training.base import ModelTrainer
from framework.training.baseline import fit_baseline
from framework.training.data import EVENT, Fitted, Judged
from framework.training.evaluate import primary_metric
from framework.training.fitting import reason_outputs, training_ranges
from framework.training.rivals import input_rule

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from framework.gold.runtime import Runtime
    from framework.gold.view import GoldView
    from framework.training.data import TrainingData

STEPS = 1_001
BEYOND = 3.0
"""How far the served score reaches past the training rows, in distances of their highest from their middle."""
WORTH_AN_ALERT = 0.2
"""Skill below which a detector only adds to the noise: what its spec may declare as ``promote_above``."""
MIN_EVENTS = 20
"""Known events among the training rows without which they do not choose how scores are mixed."""
MIXTURES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Weights of the estimator's score that are tried, the estimator alone first: of equal ones it wins."""
UNJUDGED = "no event is known on the held-back days: not judged"
WORKSPACE = "workspace_id"

_EVENTS: Memo[dict[str, pd.DataFrame | None]] = Memo(dict)
"""Events that judge anomaly models, by model, of a run."""


class AnomalyTrainer(ModelTrainer, abstract=True):
    """Scores how unusual a row is; ``estimator`` must offer ``score_samples`` and take NULL."""

    task = Task.ANOMALY

    def events(self, gold: GoldView, as_of: date) -> Label | DataFrame | None:
        """Return keys, time and ``is_event`` (0/1) of rows whose truth is known, or ``None``.

        Where later days tell, it is a :class:`Label` that is 1 for an event. Rows with a ``label_known_at`` count from
        then on, and a replay computes them once for all of its days.

        Args:
            gold: Gold as known at the end of ``as_of``, incident truth included.
            as_of: Newest day that may be known.
        """
        return None

    def label_frame(self, runtime: Runtime, as_of: date, grain: TableSpec) -> pa.Table:
        """Return the keys of every feature row; each is "known" at the end of its own day."""
        import pyarrow as pa
        import pyarrow.compute as pc

        name = runtime.feature_table(grain.name)
        keys = runtime.tables.read(
            name, columns=list(grain.primary_key), where=[(grain.time, "<=", _last(grain, as_of))]
        )
        known = pc.cast(keys[grain.time], pa.timestamp("us"))
        if grain.time_type == "date":
            known = pc.add(known, pa.scalar(86_400_000_000, pa.duration("us")))
        # The last moment of the day, so that a row of day c counts as known at the cut c.
        known = pc.subtract(known, pa.scalar(1, pa.duration("us")))
        return keys.append_column("label_known_at", pc.assume_timezone(known, "UTC"))

    def fit(self, data: TrainingData, runtime: Runtime) -> Fitted:
        """Fit, map scores to 0-1, and set the threshold that meets the alert budget."""
        import numpy as np

        from framework.training.served_model import strangeness

        estimator = self.estimator().fit(data.features("train"))
        mixture, seen = _mixture(data, _raw(estimator, data.features("train")))
        steps = _steps(seen)
        part = data.part("test") if len(data.split.test) else data.part("train")
        rows = part[list(data.inputs)]
        raw = strangeness(_raw(estimator, rows), rows, mixture)
        threshold, expected = self._threshold(raw, part)
        training_range = training_ranges(data, dict.fromkeys(data.inputs, 1.0))
        served = {
            "task": str(self.task),
            "inputs": list(data.inputs),
            "usual": training_range,
            "mixture": mixture,
            "score_steps": steps,
            "raw_threshold": threshold,
        }
        judged = self._judge(data, _score(raw, steps))
        if EVENT in data.frame:
            truth = np.concatenate([data.part(p)[EVENT].to_numpy(dtype=float) for p in ("train", "test")])
            both = np.concatenate([_score(seen, steps), _score(raw, steps)]) if len(data.split.test) else None
            found = None if both is None else alert_from(truth, both, self.spec.alert_precision)
            expected |= {} if found is None else {"alert_from": found}
        evaluation = judged.evaluation(self.task, data.seed) if judged else None
        return Fitted(
            estimators={"estimator": estimator},
            served=served,
            outputs=(
                *((name, "double") for name in ("prediction", "anomaly_score", "is_anomaly")),
                *reason_outputs(training_range),
            ),
            evaluation=evaluation,
            judged=judged,
            remarks=(*_remarks(mixture), *(() if evaluation else (UNJUDGED,))),
            extras=expected | ({"weight_of_model": mixture["weight"]} if mixture else {}),
        )

    def evaluate_fit(self, data: TrainingData, runtime: Runtime) -> Judged | None:
        """Fit, and judge the scores as they would be served; ``None`` where nothing is known of the rows."""
        from framework.training.served_model import strangeness

        estimator = self.estimator().fit(data.features("train"))
        mixture, seen = _mixture(data, _raw(estimator, data.features("train")))
        steps, rows = _steps(seen), data.features("test")
        raw = strangeness(_raw(estimator, rows), rows, mixture)
        return self._judge(data, _score(raw, steps))

    def _threshold(self, raw: np.ndarray, part: Any) -> tuple[float, dict[str, float]]:
        """Return the raw score above which the expected alerts per workspace and day meet the budget."""
        import numpy as np

        groups = [WORKSPACE, "_day"] if WORKSPACE in part else ["_day"]
        slots = int(part.groupby(groups).ngroups)
        allowed = min(int(self.spec.alert_budget * slots), len(raw) - 1)
        threshold = float(np.sort(raw)[::-1][allowed])
        daily = part.assign(flag=raw > threshold).groupby("_day")["flag"].mean()
        low, high = np.quantile(daily, [0.05, 0.95])
        return threshold, {
            "anomaly_rate": float((raw > threshold).mean()),
            "anomaly_rate_low": float(low),
            "anomaly_rate_high": float(high),
            "alerts_per_workspace_day": float((raw > threshold).sum() / max(slots, 1)),
        }

    def with_truth(self, data: TrainingData, runtime: Runtime) -> TrainingData:
        """Add what is known of the rows as a column ``is_event``, if anything is known.

        NULL on the last days, whose horizon is not over: an event may yet come of them.
        """
        import numpy as np
        import pandas as pd

        truth = self.known_events(runtime, data.frame, data.grain)
        if truth is None:
            return data
        over = data.frame["_day"] <= pd.Timestamp(runtime.as_of - self.spec.horizon)
        return dataclasses.replace(data, frame=data.frame.assign(**{EVENT: np.where(over, truth, np.nan)}))

    @final
    def known_events(self, runtime: Runtime, rows: pd.DataFrame, grain: TableSpec) -> np.ndarray | None:
        """Return 0/1 per row by known events and by verdicts on alerts; rows without either are no events.

        Args:
            runtime: The runtime.
            rows: Rows with the grain's primary key.
            grain: The table that fixes keys and time.

        Returns:
            Shape ``(rows,)``, or ``None`` if nothing is known at all.
        """
        import pandas as pd

        from framework.tables.verdicts import verdict_events

        keys = list(grain.primary_key)
        happened = self._events_of_run(runtime, keys)
        said = verdict_events(runtime, self.spec.name, grain)
        if happened is None and said.empty:
            return None
        # What a person said of an alert stands before what the gold layer says of its day.
        parts = [said] if happened is None else [said, happened[[*keys, EVENT]]]
        events = pd.concat([part for part in parts if len(part)] or parts[:1])
        for key in keys:
            events[key] = events[key].astype(rows[key].dtype)
        found = rows[keys].merge(events.drop_duplicates(keys), on=keys, how="left")[EVENT]
        truth: np.ndarray = pd.to_numeric(found).fillna(0).to_numpy(int)
        return truth

    def _events_of_run(self, runtime: Runtime, keys: list[str]) -> pd.DataFrame | None:
        """Return the events of the gold layer, read once per run; ``None`` if nobody wrote any down."""
        events = _EVENTS.of(runtime)
        if self.spec.name not in events:
            events[self.spec.name] = self._find_events(runtime, keys)
        return events[self.spec.name]

    def _find_events(self, runtime: Runtime, keys: list[str]) -> pd.DataFrame | None:
        found = self._events_of_run(runtime.later, keys) if runtime.later is not None else None
        if found is None or LABEL_KNOWN_AT not in found:
            said = self.events(runtime.gold(truth=True), runtime.as_of)
            if said is None:
                return None
            grain = runtime.plugins.table(self.spec.lookups[0].table)
            frame = rows_of(said, self.spec, grain, runtime.as_of, names=(EVENT,))
            known = [LABEL_KNOWN_AT] if LABEL_KNOWN_AT in frame.columns else []
            found = runtime.collect(frame.select(*keys, EVENT, *known)).to_pandas()
        if LABEL_KNOWN_AT in found:  # what only half of its days speak for is no event yet
            found = found[found[LABEL_KNOWN_AT] < midnight(runtime.as_of + timedelta(days=1))]
        return found

    def _judge(self, data: TrainingData, scores: np.ndarray) -> Judged | None:
        """Return the held-back scores beside what is known of their rows."""
        if EVENT not in data.frame or not len(data.split.test):
            return None
        known = data.part("test")[EVENT].notna().to_numpy()
        if not known.any():
            return None
        test = data.part("test")[known]
        rule = fit_baseline(self.spec.baseline, data.part("train"), (), self.task, 0)
        return Judged(
            truth=test[EVENT].to_numpy(int),
            answer=scores[known],
            baseline=rule.answer(test, self.task),
            day=test["_day"],
            rows=data.split.test[known],
            answered=rule.answered(test),
        )


def _raw(estimator: Any, rows: pd.DataFrame) -> np.ndarray:
    """Return one raw score per row, higher is stranger."""
    import joblib
    import numpy as np

    with joblib.parallel_config("sequential"):  # digit by digit as the served model will answer
        return -np.asarray(estimator.score_samples(rows), dtype=float)


def _mixture(data: TrainingData, raw: np.ndarray) -> tuple[dict[str, Any] | None, np.ndarray]:
    """Return how the forest's score and the best plain rule's are mixed, and the training rows' raw scores with it.

    A forest isolates what is rare in any input alike; what is dangerous shows in some. The events of the training rows,
    which the forest does not see, say how much of either ranks them best. Without enough of them it scores alone.

    Args:
        data: The rows and their split.
        raw: The estimator's scores of the training rows.
    """
    import numpy as np

    from framework.training.served_model import distance, strangeness

    happened = data.part("train")[EVENT].to_numpy(dtype=float) if EVENT in data.frame else np.full(len(raw), np.nan)
    known = ~np.isnan(happened)
    rule = input_rule(data)
    if rule is None or not MIN_EVENTS <= happened[known].sum() < known.sum():
        return None, raw
    rows = data.features("train")
    facts = {"steps": _steps(raw), "rule": rule, "rule_steps": _steps(distance(rows, rule))}
    tried = {weight: strangeness(raw, rows, facts | {"weight": weight}) for weight in MIXTURES}
    ranked = {w: primary_metric(Task.ANOMALY, happened[known], scores[known]) for w, scores in tried.items()}
    best = max(ranked, key=ranked.__getitem__)
    return facts | {"weight": best}, tried[best]


def _remarks(mixture: dict[str, Any] | None) -> tuple[str, ...]:
    """Return that the forest adds nothing to the plain rule, where that is so."""
    if mixture is None or mixture["weight"] > 0:
        return ()
    return (f"it answers as a plain rule does, {mixture['rule']['name']}: it ranks the known events best",)


def _score(raw: np.ndarray, steps: list[float]) -> np.ndarray:
    """Return the served score, 0 to 1, of raw ones."""
    import numpy as np

    found: np.ndarray = np.interp(raw, steps, np.linspace(0.0, 1.0, len(steps)))
    return found


def _steps(seen: np.ndarray) -> list[float]:
    """Return the raw scores at which the served score goes up by equal steps: quantiles of the training rows.

    One step beyond the highest keeps the order among rows that are stranger than any that training saw.
    """
    import numpy as np

    steps = np.quantile(seen, np.linspace(0, 1, STEPS))
    beyond = steps[-1] + BEYOND * max(steps[-1] - steps[STEPS // 2], 1e-9)
    found: list[float] = [*steps.tolist(), float(beyond)]
    return found


def _last(grain: TableSpec, as_of: date) -> Any:
    if grain.time_type == "date":
        return as_of
    return midnight(as_of).replace(hour=23, minute=59, second=59, microsecond=999_999)
