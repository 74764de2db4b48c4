"""A validated version goes to another catalog with its evidence, and scores there on that catalog's features."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from pathlib import Path

import mlflow
import pytest
import structlog
import yaml
from deltalake import DeltaTable

from framework.base.errors import ConfigError, RegistryError
from framework.base.logging import configure
from framework.core.results import Status
from framework.ops.audit.collect import collect
from framework.ops.audit.rows import audit
from framework.ops.promotion.promote import Outcome, promote
from framework.run.pipeline import Pipeline
from framework.tables.declared import DECISIONS
from tests.audit.home import AS_OF, MODELS, build_table, open_home, toy_rows

PROD = "prod"


def to_prod(home, *models, version=None):
    return promote(open_home(home), PROD, models or ("late_jobs",), version)


@pytest.fixture
def both(home):
    """A home whose second catalog has features of its own, quite different ones."""
    build_table(open_home(home, catalog=PROD), toy_rows(seed=9, shift=0.4))
    return home


def forecasts(runtime, name="job_seconds_predictions"):
    rows = runtime.tables.read(runtime.feature_table(name)).to_pandas()
    return rows.set_index("job_id")["prediction"].sort_index()


def test_the_copy_scores_on_the_features_of_its_own_catalog(both):
    (found,) = to_prod(both, "job_seconds")
    assert (found.outcome, found.source, found.target, found.alias) == (Outcome.COPIED, 1, 1, "champion"), found.reason
    prod = open_home(both, catalog=PROD, run_id="prod1", models=("job_seconds",))
    (result,) = Pipeline(prod).run(("score",))
    assert (result.status, result.scored_with) == (Status.DONE, "models:/prod.health_monitor.job_seconds/1")
    raw = mlflow.pyfunc.load_model(
        mlflow.artifacts.download_artifacts("models:/main.health_monitor.job_seconds/1/data/feature_store/raw_model")
    )
    rows = toy_rows(seed=9, shift=0.4)
    today = rows[rows["run_date"] == AS_OF].set_index("job_id").sort_index()
    expected = raw.predict(today[["load", "runs", "weekday"]].reset_index(drop=True))["prediction"].to_numpy()
    assert forecasts(prod).to_numpy() == pytest.approx(expected)
    assert forecasts(prod).to_numpy() != pytest.approx(forecasts(open_home(both)).to_numpy())


def test_the_copy_needs_nothing_of_the_source_catalog(both):
    to_prod(both, "job_seconds")
    (both / "tables" / "main").rename(both / "gone")
    prod = open_home(both, catalog=PROD)
    keys = prod.rows_of_day(prod.plugins.table("toy_features"), AS_OF, columns=["workspace_id", "job_id", "run_date"])
    answers = prod.store.score_batch(
        model_uri="models:/prod.health_monitor.job_seconds/1", df=keys, result_type="struct<prediction:double>"
    )
    assert len(answers) == 12


def test_the_evidence_goes_along(both):
    to_prod(both)
    here, there = open_home(both).registry, open_home(both, catalog=PROD).registry
    old, new = here.versions("late_jobs")[0], there.versions("late_jobs")[0]
    added = {"copied_from": "models:/main.health_monitor.late_jobs/1", "copied_from_run": old.run_id}
    decided = "it was promoted as models:/main.health_monitor.late_jobs/1"  # the target's own decision stands there
    assert new.tags.pop("decision_reason").endswith(decided)
    assert old.tags.pop("decision_reason").endswith("there was no champion to compare with")
    assert new.tags.pop("decided_at") > old.tags.pop("decided_at")
    assert new.tags == {**old.tags, **added}
    before, after = here.client.get_run(old.run_id), here.client.get_run(new.run_id)
    assert new.run_id != old.run_id
    assert after.data.params == before.data.params
    assert after.data.metrics == before.data.metrics
    assert after.data.tags["copied_from"] == added["copied_from"]
    assert after.inputs.dataset_inputs[0].dataset.digest == before.inputs.dataset_inputs[0].dataset.digest
    files = [[a.path for a in here.client.list_artifacts(v.run_id)] for v in (old, new)]
    assert files[0] == files[1]
    assert {"reference.json", "training.json"} <= set(files[1])  # and plots, where matplotlib is installed
    described = there.client.get_registered_model("prod.health_monitor.late_jobs").description
    assert described == here.client.get_registered_model("main.health_monitor.late_jobs").description


def test_only_the_table_names_change_in_the_artefact(both):
    to_prod(both)
    open_home(both)
    here, there = (
        mlflow.artifacts.download_artifacts(f"models:/{catalog}.health_monitor.late_jobs/1")
        for catalog in ("main", PROD)
    )
    files = {f.relative_to(there) for f in Path(there).rglob("*") if f.is_file()}
    assert files == {f.relative_to(here) for f in Path(here).rglob("*") if f.is_file()}
    changed = {str(f) for f in files if (Path(here) / f).read_bytes() != (Path(there) / f).read_bytes()}
    assert changed - {"registered_model_meta"} == {"MLmodel", "data/feature_store/feature_spec.yaml"}
    specs = [(Path(root) / "data/feature_store/feature_spec.yaml").read_text() for root in (here, there)]
    table = json.loads(json.dumps(yaml.safe_load(specs[1])["input_tables"]))
    ours = DeltaTable(str(both / "tables" / PROD / "health_monitor" / "toy_features"))
    assert table == [{"prod.health_monitor.toy_features": {"table_id": ours.metadata().id, "lookback_window": 0.0}}]
    assert "main." not in specs[1]
    old, new = (yaml.safe_load((Path(root) / "MLmodel").read_text()) for root in (here, there))
    assert new["signature"] == old["signature"]
    assert new["flavors"] == old["flavors"]
    assert new["model_id"] != old["model_id"]


def test_the_audit_of_the_target_finds_the_promoted_models_in_order(both):
    to_prod(both, "late_jobs", "job_seconds")
    prod = open_home(both, catalog=PROD, run_id="prod1", models=("late_jobs", "job_seconds"))
    configure(console=False)
    assert [r.status for r in Pipeline(prod).run(("score",))] == [Status.DONE] * 2
    structlog.reset_defaults()
    assert {r.number: r.offenders for r in audit(collect(prod, both / "bundle")) if not r.passed} == {}


def test_the_same_promotion_again_copies_nothing(both):
    first, again = to_prod(both)[0], to_prod(both)[0]
    assert (again.outcome, again.target, again.alias) == (Outcome.UNCHANGED, first.target, first.alias)
    assert len(open_home(both, catalog=PROD).registry.versions("late_jobs")) == 1


def test_a_copy_that_was_killed_before_its_alias_gets_it_the_next_time(both):
    to_prod(both)
    registry = open_home(both, catalog=PROD).registry
    registry.client.delete_registered_model_alias("prod.health_monitor.late_jobs", "champion")
    assert to_prod(both)[0].alias == "champion"


def test_a_champion_becomes_challenger_where_there_is_one_already(both):
    to_prod(both)
    client = open_home(both).registry.client
    old = client.get_model_version("main.health_monitor.late_jobs", "1")
    tags = dict(old.tags) | {"fingerprint": "another"}
    client.create_model_version(old.name, old.source, old.run_id, tags=tags)
    (found,) = to_prod(both, version=2)
    assert (found.outcome, found.target, found.alias) == (Outcome.COPIED, 2, "challenger")
    assert open_home(both, catalog=PROD).registry.by_alias("late_jobs", "champion").version in (1, "1")


def twin(both, catalog="main", model="late_jobs", **tags):
    """Register a model's first version once more, as another training; returns the runtime and the number."""
    runtime = open_home(both, catalog=catalog)
    old = next(v for v in runtime.registry.versions(model) if v.version in (1, "1"))
    told = dict(old.tags) | {"fingerprint": f"another {tags}"} | tags
    made = runtime.registry.client.create_model_version(old.name, old.source, old.run_id, tags=told)
    return runtime, int(made.version)


def champion_of(both, catalog):
    return int(open_home(both, catalog=catalog).registry.by_alias("late_jobs", "champion").version)


def test_a_copied_champion_takes_the_place_of_the_copy_before_it_and_gives_it_back(both):
    to_prod(both)
    runtime, second = twin(both)
    runtime.registry.give("late_jobs", "champion", second)
    assert (to_prod(both)[0].target, champion_of(both, PROD)) == (2, 2)
    runtime.registry.give("late_jobs", "champion", 1)  # taken back at home
    (found,) = to_prod(both)
    assert (found.outcome, found.target, found.alias) == (Outcome.UNCHANGED, 1, "champion")
    assert champion_of(both, PROD) == 1


def test_a_champion_that_the_target_trained_itself_stays(both):
    """Nothing compared the two: the target's own gate would ask for that."""
    to_prod(both)
    there, own = twin(both, catalog=PROD)
    there.registry.client.delete_model_version_tag(there.registry.full_name("late_jobs"), str(own), "copied_from")
    there.registry.give("late_jobs", "champion", own)
    runtime, second = twin(both)
    runtime.registry.give("late_jobs", "champion", second)
    (found,) = to_prod(both)
    assert (found.outcome, found.alias) == (Outcome.COPIED, "challenger")
    assert champion_of(both, PROD) == own


def test_a_comparison_at_home_says_nothing_of_a_champion_elsewhere_that_has_the_same_number(both):
    to_prod(both)
    compared = {"version": 1, "days": 9, "champion_skill": 0.1, "challenger_skill": 0.9}
    _, second = twin(both, compared=json.dumps(compared))
    (found,) = to_prod(both, version=second)
    assert (found.alias, champion_of(both, PROD)) == ("challenger", 1)
    (row,) = DECISIONS.read(open_home(both, catalog=PROD), [("model_version", "=", 2)]).to_pylist()
    assert (row["decision"], row["champion_version"], row["challenger_skill"]) == ("refused", 1, None)
    assert "never compared with version 1" in row["reason"]


@pytest.mark.parametrize(
    ("tags", "description"),
    [
        ({"fallback": "true", "reason": "one class"}, "it is a fallback; one class"),
        ({"judged": "false"}, "no event is known that could judge it"),
        ({"judged": "false", "withheld": "too little history"}, "not validated: too little history"),
        ({"beats_baseline": "false"}, "it does not beat its baseline"),
    ],
)
def test_a_version_that_is_not_validated_is_refused_by_name(both, tags, description):
    client = open_home(both).registry.client
    for key, value in tags.items():
        client.set_model_version_tag("main.health_monitor.late_jobs", "1", key, value)
    (found,) = to_prod(both)
    assert found.outcome is Outcome.REFUSED
    assert description in found.reason
    assert "main.health_monitor.late_jobs" in found.reason
    assert open_home(both, catalog=PROD).registry.versions("late_jobs") == []


def test_a_version_without_a_signature_is_refused(both):
    open_home(both)
    file = Path(mlflow.artifacts.download_artifacts("models:/main.health_monitor.late_jobs/1")) / "MLmodel"
    content = yaml.safe_load(file.read_text())
    del content["signature"]
    file.write_text(yaml.safe_dump(content))
    assert "no signature" in to_prod(both)[0].reason


def test_a_refused_model_stops_no_other(both):
    found = {p.model: p for p in to_prod(both, *MODELS)}
    assert {name: p.outcome for name, p in found.items()} == {
        "late_jobs": Outcome.COPIED,
        "job_seconds": Outcome.COPIED,
        "odd_jobs": Outcome.REFUSED,  # no event ever judged it
    }
    assert "no event is known that could judge it" in found["odd_jobs"].reason


def test_without_features_in_the_target_nothing_is_copied(home):
    (found,) = to_prod(home)
    assert found.outcome is Outcome.REFUSED
    assert "no feature table prod.health_monitor.toy_features" in found.reason


def test_other_formulas_in_the_target_are_refused(both):
    table = DeltaTable(str(both / "tables" / PROD / "health_monitor" / "toy_features"))
    table.alter.set_column_metadata("load", {"formula": "other"})
    assert "toy_features.load has another formula" in to_prod(both)[0].reason


def test_unknown_versions_are_refused_and_the_same_catalog_is_an_error(both):
    assert "no version 9" in to_prod(both, version=9)[0].reason
    with pytest.raises(RegistryError, match="one catalog"):
        promote(open_home(both), "main", ["late_jobs"])


def test_a_training_run_that_is_not_there_fails_its_model_and_no_other(both):
    """As between two workspaces: the registry knows the version, and tracking does not know its run."""
    lost = open_home(both).registry.by_alias("late_jobs", "champion").run_id
    with contextlib.closing(sqlite3.connect(both / "mlflow.db")) as database:
        database.execute("DELETE FROM runs WHERE run_uuid = ?", (lost,))
        database.commit()
    late, seconds = to_prod(both, "late_jobs", "job_seconds")
    assert (late.outcome, seconds.outcome) == (Outcome.FAILED, Outcome.COPIED)
    assert lost in late.reason


def test_the_command_prints_each_outcome_and_fails_if_one_was_refused(both, monkeypatch, capsys):
    from framework.ops.promotion import command

    runtime = open_home(both)
    monkeypatch.setattr("framework.core.plugins.discover", lambda **_: runtime.plugins)
    monkeypatch.setattr("framework.run.opening.open_runtime", lambda *_: runtime)
    options = {"home": both, "domains": ("toys",)}
    assert command.run_promotion(options | {"models": ("late_jobs",)}, PROD, None) == 0
    assert command.run_promotion(options, PROD, None) == 1
    out = capsys.readouterr().out
    assert re.search(r"late_jobs +│ unchanged", out)
    assert re.search(r"odd_jobs +│ refused", out)
    with pytest.raises(ConfigError, match="one version for 3 models"):
        command.run_promotion(options, PROD, 1)
    structlog.reset_defaults()
