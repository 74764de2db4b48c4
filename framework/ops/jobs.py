"""What the scripts in ``jobs/`` do: read the job's parameters, run, report on stdout, and fail if a unit failed.

A ``spark_python_task`` hands its parameters over as words, and a job parameter that nobody set is an empty one.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.base.errors import ConfigError, HealthMonitorError, nearest
from framework.core.config import LISTS, Settings, load_settings, parse_day, split_words
from framework.core.results import Status, UnitResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from framework.core.plugins import Registry

STAGE_OPTIONS = {
    "features": ("config", "resume", "from"),
    "train": ("config", "resume", "requested"),
    "score": ("config", "resume"),
    "monitor": ("config", "resume"),
    "snapshot": ("config", "schemas"),
    "promote": ("config", "to_catalog"),
}
"""What each job takes besides the settings."""
_NO_WORD = ("options", "alert_sinks")  # mappings: they fit a file, not a word


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a job did.

    Args:
        run_id: Identity of the run.
        as_of: The day that it acted on.
        units: One result per unit.
    """

    run_id: str
    as_of: date
    units: Sequence[UnitResult]

    @property
    def failed(self) -> list[UnitResult]:
        """The units that failed."""
        return [unit for unit in self.units if unit.status is Status.FAILED]


def run_stage(stage: str, words: Sequence[str]) -> None:
    """Run one stage for the parameters of a job.

    Args:
        stage: ``features``, ``train``, ``score`` or ``monitor``.
        words: The job's parameters, ``--option=value`` or ``--option value``.

    Raises:
        SystemExit: If a parameter cannot be used or a unit failed; the exit code is then 1.
    """
    _report(lambda: _run_stage(stage, words))


def run_snapshot(words: Sequence[str]) -> None:
    """Take the day's snapshot of tables and columns.

    Args:
        words: The job's parameters; ``--schemas`` names the schemas.

    Raises:
        SystemExit: If a parameter cannot be used; the exit code is then 1.
    """
    _report(lambda: _run_snapshot(words))


def run_promotion(words: Sequence[str]) -> None:
    """Copy validated versions into another catalog; one that is refused stops nothing, and says why.

    Args:
        words: The job's parameters; ``--catalog`` is where versions come from, ``--to-catalog`` where they go.

    Raises:
        SystemExit: If a parameter cannot be used or a copy failed; the exit code is then 1.
    """
    _report(lambda: _run_promotion(words))


def option_names(stage: str) -> dict[str, str]:
    """Return the options of a job as they are written, with the name that each has in here."""
    settings = [name for name in Settings.model_fields if name not in _NO_WORD]
    return {f"--{name.replace('_', '-')}": name for name in (*settings, *STAGE_OPTIONS[stage])}


def parse_words(stage: str, words: Sequence[str]) -> dict[str, str]:
    """Return a job's parameters by name; one that is empty was not given.

    Args:
        stage: The job.
        words: The parameters.

    Returns:
        The values as they were written, by the name of the setting or of the job's own option.

    Raises:
        ConfigError: If a word is no option of the job, naming the nearest, or lacks its value.
    """
    known = option_names(stage)
    found: dict[str, str] = {}
    left = iter(words)
    for word in left:
        option, separator, value = word.partition("=")
        if option not in known:
            raise ConfigError(what=f"unknown parameter '{word}'", where=f"{stage} job", fix=nearest(option, known))
        found[known[option]] = value if separator else _value_of(option, left)
    return {name: value.strip() for name, value in found.items() if value.strip()}


def _value_of(option: str, left: Iterator[str]) -> str:
    value = next(left, None)
    if value is None or value.startswith("--"):
        raise ConfigError(what="it has no value", where=option, fix=f"write {option}=VALUE")
    return value


def _read(stage: str, words: Sequence[str]) -> tuple[Settings, dict[str, str]]:
    """Return the settings that the parameters make, and the job's own options."""
    found = parse_words(stage, words)
    own = {name: found.pop(name) for name in STAGE_OPTIONS[stage] if name in found}
    given: dict[str, Any] = {name: split_words(value) if name in LISTS else value for name, value in found.items()}
    return load_settings(given, Path(own["config"]) if "config" in own else None), own


def _run_stage(stage: str, words: Sequence[str]) -> Outcome:
    from framework.base import logging
    from framework.run.launch import launch
    from framework.run.pipeline import Pipeline

    settings, own = _read(stage, words)
    first = parse_day(own["from"], "--from") if "from" in own else None
    resume = _is_true(own.get("resume", "false"), "--resume")
    requested = _is_true(own.get("requested", "false"), "--requested")
    logging.configure(console=False)
    runtime = launch(settings, _name_broken)
    units = Pipeline(runtime, resume=resume, first=first, requested=requested).run([stage])
    return Outcome(runtime.run_id, runtime.as_of, units)


def _run_snapshot(words: Sequence[str]) -> Outcome:
    from framework.base import logging
    from framework.run.launch import launch, snapshot

    settings, own = _read("snapshot", words)
    logging.configure(console=False)
    runtime = launch(settings, _name_broken)
    day, _, taken = snapshot(runtime, own.get("schemas", ""))
    units = [UnitResult(stage="snapshot", name=name, status=Status.DONE, rows=rows) for name, rows in taken.items()]
    return Outcome(runtime.run_id, day, units)


def _run_promotion(words: Sequence[str]) -> Outcome:
    from framework.base import logging
    from framework.ops.promotion.promote import Outcome as Ending
    from framework.ops.promotion.promote import promote
    from framework.run.launch import launch

    settings, own = _read("promote", words)
    if "to_catalog" not in own:
        raise ConfigError(what="no target", where="--to-catalog", fix="name the catalog to copy into")
    logging.configure(console=False)
    runtime = launch(settings, _name_broken)
    models = runtime.plugins.select_models(settings.domains, settings.models)
    endings = {Ending.REFUSED: Status.SKIPPED, Ending.FAILED: Status.FAILED}
    units = [
        UnitResult(
            stage="promote",
            name=one.model,
            status=endings.get(one.outcome, Status.DONE),
            reason=one.reason or str(one.outcome),
            version=one.target,
        )
        for one in promote(runtime, own["to_catalog"], models)
    ]
    return Outcome(runtime.run_id, runtime.clock.now().date(), units)


def _is_true(text: str, option: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ConfigError(what=f"'{text}' is neither true nor false", where=option, fix="write true or false")
    return text.lower() == "true"


def _name_broken(plugins: Registry) -> None:
    from framework.base.logging import get_logger

    for name, error in plugins.broken.items():
        get_logger().warning("domain_skipped", domain=name, error=error)


def _report(work: Callable[[], Outcome]) -> None:
    """Do the work, and leave one JSON object as the last line of stdout, whatever happens.

    A task counts as failed only when its script raises. Success returns: Databricks shows even ``SystemExit(0)`` as
    an exception.
    """
    try:
        outcome = work()
    except HealthMonitorError as error:
        _write({"error": str(error), "kind": type(error).__name__, "exit_code": 1})
        raise SystemExit(f"{type(error).__name__}: {error}") from error
    except Exception as error:
        _write({"error": str(error), "kind": type(error).__name__, "exit_code": 1})
        raise
    _write(_as_json(outcome))
    if outcome.failed:
        names = ", ".join(unit.unit for unit in outcome.failed)
        raise SystemExit(f"{len(outcome.failed)} of {len(outcome.units)} failed: {names}. {outcome.failed[0].reason}")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    statuses = [str(unit.status) for unit in outcome.units]
    return {
        "run_id": outcome.run_id,
        "as_of": outcome.as_of.isoformat(),
        "units": [{"unit": unit.unit} | _plain(unit) for unit in outcome.units],
        "counts": {str(status): statuses.count(status) for status in Status},
        "exit_code": 1 if outcome.failed else 0,
    }


def _plain(unit: UnitResult) -> dict[str, Any]:
    """JSON knows no NaN: a figure that is none becomes null."""
    odd = {k: None for k, v in dataclasses.asdict(unit).items() if isinstance(v, float) and not math.isfinite(v)}
    return dataclasses.asdict(unit) | odd


def _write(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, allow_nan=False) + "\n")
    sys.stdout.flush()
