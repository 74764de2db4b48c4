"""A whole run on simulated gold: what it leaves, what a second run adds (nothing), and what a kill breaks (nothing)."""

from __future__ import annotations

import json
import pickletools
import re
import shutil
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import yaml
from deltalake import DeltaTable

from framework.core.plugins import discover
from framework.declare.model import Task
from framework.training.evaluate import PRIMARY
from tests.e2e.command import AS_OF, arguments, differences, finish, kill_after, ledger, moments, tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Run

pytestmark = pytest.mark.slow

PLUGINS = discover(strict=True)
ANSWERS = {
    Task.ANOMALY: {"anomaly_score", "is_anomaly"},
    Task.BINARY: {"probability", "predicted_class"},
    Task.MULTICLASS: {"probability", "predicted_class", "probabilities"},
    Task.MULTILABEL: {"flags"},
    Task.REGRESSION: {"prediction_p10", "prediction_p90"},
}
TRAINERS = {name: offer.item for name, offer in PLUGINS.trainers.items()}
MODELS = {name: (trainer.spec.use_case, ANSWERS[trainer.task]) for name, trainer in TRAINERS.items()}
FACTS = {
    "prediction", "reasons", "model_name", "model_version", "served_as", "is_fallback", "as_of_date",
    "target_start", "target_end", "training_run_id", "scoring_run_id", "scored_at",
}  # fmt: skip


@pytest.fixture(scope="session")
def registry(finished_run: Run):
    """The run's registry, with MLflow pointed at it."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        uri = f"sqlite:///{finished_run.home / 'mlflow.db'}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        from framework.registry.versions import ModelRegistry

        found = ModelRegistry("main.health_monitor")
        assert found.client.search_registered_models()
        return found


def artefact(registry, model: str) -> Path:
    """Return the folder of a model's served version."""
    import mlflow

    from framework.stores.local.scoring import resolve  # noqa: F401 - the run's own reader of model URIs

    return _path(mlflow.artifacts.download_artifacts(registry.served(model).uri))


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def test_all_models_are_done_and_stand_beside_their_baselines(finished_run: Run) -> None:
    assert len(MODELS) >= 25
    trained = {r["name"]: r for r in ledger(finished_run.home) if r["stage"] == "train"}
    assert {name: r["status"] for name, r in trained.items()} == dict.fromkeys(MODELS, "done")
    for name, result in trained.items():
        assert result["metric"] == PRIMARY[TRAINERS[name].task]
        assert None not in (result["value"], result["baseline"], result["skill"]), name
        assert name in finished_run.result.out
    scored = {r["name"]: r for r in ledger(finished_run.home) if r["stage"] == "score"}
    assert {name: r["status"] for name, r in scored.items()} == dict.fromkeys(MODELS, "done")


def test_prediction_tables_hold_the_contracts_columns(finished_run: Run) -> None:
    stored_tables = tables(finished_run.home)
    for use_case, answers in MODELS.values():
        rows = stored_tables[f"{use_case}_predictions"]
        stored = DeltaTable(str(finished_run.home / "tables/main/health_monitor" / f"{use_case}_predictions"))
        names = {field.name for field in stored.schema().fields}
        assert FACTS | answers <= names
        assert rows["as_of_date"].eq(AS_OF).all()
        assert rows["prediction"].notna().all()
        assert (pd.to_datetime(rows["target_start"]) < pd.to_datetime(rows["target_end"])).all()


def test_reasons_name_three_features_with_value_and_usual_range(finished_run: Run) -> None:
    rows = tables(finished_run.home)["job_failure_predictions"]
    for reasons in rows["reasons"]:
        assert len(reasons) == 3
        assert len({r["feature"] for r in reasons}) == 3
        assert all(r["low"] <= r["high"] for r in reasons)


def test_bad_gold_rows_are_in_quarantine_and_named_in_the_table(finished_run: Run) -> None:
    held = tables(finished_run.home)["quarantine"]
    assert {"duplicate key", "ends before it starts"} <= set(held["reason"])
    assert "in quarantine" in finished_run.result.out


def test_a_second_run_changes_no_row_and_registers_no_version(finished_run: Run, registry, tmp_path: Path) -> None:
    before = tmp_path / "before"
    shutil.copytree(finished_run.home / "tables", before / "tables")
    versions = {m: len(registry.versions(m)) for m in MODELS}
    stamps = {m: registry.served(m).training_run_id for m in MODELS}
    again = finish(arguments(finished_run.gold, finished_run.home))
    assert again.code == 0, again.err[-4000:]
    assert differences(before, finished_run.home) == []
    assert {m: len(registry.versions(m)) for m in MODELS} == versions
    assert {m: registry.served(m).training_run_id for m in MODELS} == stamps
    for name in tables(finished_run.home):
        folder = f"tables/main/health_monitor/{name}"
        assert DeltaTable(str(before / folder)).version() == DeltaTable(str(finished_run.home / folder)).version(), name


def test_a_killed_run_resumes_to_the_same_tables(finished_run: Run, tmp_path: Path) -> None:
    """One domain, to keep it short; the script does as many kills of as many domains as one likes."""
    home = tmp_path / "home"
    words = arguments(finished_run.gold, home, "--resume", "--domains", "reliability")
    for moment in moments(2, 60, seed=3):
        kill_after(words, moment)
    resumed = finish(words)
    assert resumed.code == 0, resumed.err[-4000:]
    left = set(tables(home)) - {"quarantine"}
    shared = {"model_serving", "model_decisions", "model_backtests", "model_drift", "alerts"}
    assert shared < left
    assert len(left - shared) == 7
    models = {name for name in MODELS if PLUGINS.trainers[name].domain == "reliability"}
    assert differences(finished_run.home, home, only=left, models=models) == []
    held, every = (set(tables(h)["quarantine"]["row_hash"]) for h in (home, finished_run.home))
    assert held < every


def test_the_champion_resolves_and_carries_both_signatures(registry) -> None:
    import mlflow

    for model in MODELS:
        served = registry.served(model)
        info = mlflow.models.get_model_info(f"models:/main.health_monitor.{model}@{served.alias}")
        assert info.signature.inputs is not None
        assert {"prediction"} <= set(info.signature.outputs.input_names())
    champions = [found for model in MODELS if (found := registry.by_alias(model, "champion")) is not None]
    assert len(champions) > len(MODELS) / 3
    for champion in champions:
        assert champion.tags["decision"] == "promoted"
        assert json.loads(champion.tags["gate"])["skill_low"] > float(champion.tags["promote_above"])


def offered(lookup) -> list[str]:
    return list(lookup.columns) or [c.name for c in PLUGINS.table(lookup.table).features]


def test_artefacts_have_the_clients_layout(registry) -> None:
    for model in MODELS:
        folder = artefact(registry, model)
        outer = yaml.safe_load((folder / "MLmodel").read_text())
        assert outer["flavors"]["python_function"]["loader_module"] == "databricks.feature_store.mlflow_model"
        store = folder / "data" / "feature_store"
        spec = yaml.safe_load((store / "feature_spec.yaml").read_text())
        assert spec["serialization_version"] == 11
        raw = yaml.safe_load((store / "raw_model" / "MLmodel").read_text())
        assert raw["signature"]["inputs"] is None
        example = json.loads((store / "raw_model" / "input_example.json").read_text())
        assert set(example["columns"]) <= {c for lookup in TRAINERS[model].spec.lookups for c in offered(lookup)}


def test_no_pickle_names_a_class_of_ours(registry) -> None:
    for model in MODELS:
        pickles = list(artefact(registry, model).rglob("*.pkl"))
        assert pickles
        for file in pickles:
            words = [str(arg) for _, arg, _ in pickletools.genops(file.read_bytes()) if isinstance(arg, str)]
            assert not [w for w in words if re.match(r"(framework|domains|served_model)\b", w)]


CLEAN = textwrap.dedent(
    """
    import importlib.abc, json, sys, warnings
    warnings.simplefilter("ignore")
    ALLOWED_ABSENT = {"framework", "domains", "pyspark", "deltalake", "polars", "structlog", "typer"}

    class Blocked(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ALLOWED_ABSENT:
                raise ModuleNotFoundError(name, name=name)

    sys.meta_path.insert(0, Blocked())
    import mlflow, pandas as pd
    answers = {}
    for model, folder in json.load(open(sys.argv[1])).items():
        raw = mlflow.pyfunc.load_model(folder + "/data/feature_store/raw_model")
        example = json.load(open(folder + "/data/feature_store/raw_model/input_example.json"))
        rows = pd.DataFrame(example["data"], columns=example["columns"])
        answers[model] = raw.predict(rows)["prediction"].tolist()
    print(json.dumps(answers))
    """
)


def test_raw_models_load_where_nothing_of_ours_is_installed(registry, tmp_path: Path) -> None:
    folders = tmp_path / "folders.json"
    folders.write_text(json.dumps({m: str(artefact(registry, m)) for m in MODELS}))
    script = tmp_path / "clean.py"
    script.write_text(CLEAN)
    done = subprocess.run(
        [sys.executable, "-I", str(script), str(folders)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert set(answers) == set(MODELS)
    assert all(np.isfinite(values).all() for values in answers.values())


@pytest.fixture(scope="session")
def features_of_the_day(finished_run: Run):
    """Every feature table's rows of the day that was scored, its time key left out."""
    found = {}
    for name, rows in tables(finished_run.home).items():
        if name in PLUGINS.builders:
            day = pd.to_datetime(rows[PLUGINS.table(name).time]).dt.strftime("%Y-%m-%d")
            found[name] = rows[day == AS_OF.isoformat()].drop(columns=PLUGINS.table(name).time)
    return found


@pytest.mark.parametrize("model", MODELS)
def test_scores_from_keys_equal_a_direct_prediction(finished_run: Run, registry, features_of_the_day, model) -> None:
    import mlflow

    spec = TRAINERS[model].spec
    keys = list(PLUGINS.table(spec.lookups[0].table).keys)
    scored = tables(finished_run.home)[f"{spec.use_case}_predictions"][[*keys, "prediction"]]
    joined = scored
    for lookup in spec.lookups:
        own = list(PLUGINS.table(lookup.table).keys)
        rows = features_of_the_day[lookup.table][[*own, *offered(lookup)]]
        joined = joined.merge(rows, on=own, how="left", validate="many_to_one")
    raw = mlflow.pyfunc.load_model(str(artefact(registry, model) / "data" / "feature_store" / "raw_model"))
    direct = raw.predict(joined)["prediction"].to_numpy()
    shares_of = PLUGINS.trainers[model].item.spec.shares_of
    if shares_of:
        direct = direct / pd.Series(direct).groupby([joined[k] for k in shares_of]).transform("sum").to_numpy()
    assert len(joined) == len(scored) > 0
    np.testing.assert_allclose(joined["prediction"], direct, rtol=1e-9)


def test_runs_are_tracked_with_tags_metrics_and_dataset(registry) -> None:
    client = registry.client
    for model, (use_case, _) in MODELS.items():
        experiment = client.get_experiment_by_name(f"/Shared/health_monitor_ml_{model}")
        run = client.get_run(registry.served(model).training_run_id)
        assert run.info.experiment_id == experiment.experiment_id
        tags = run.data.tags
        assert tags["project"] == "health_monitor_ml"
        assert tags["use_case"] == use_case
        assert {"domain", "model_type", "algorithm", "training_data", "feature_engineering"} <= set(tags)
        metric = PRIMARY[TRAINERS[model].task]
        assert {metric, f"baseline_{metric}", "skill", "skill_low90"} <= set(run.data.metrics)
        assert {"seed", "feature_spec_hash", "dataset.hash", "dataset.version", "train_end"} <= set(run.data.params)
        assert run.inputs.dataset_inputs
