from __future__ import annotations

import sys

import pytest

from framework.base.errors import ConfigError, PluginError, SpecError
from framework.core.plugins import discover, hookimpl
from framework.declare.model import FromFeature, Lookup, ModelSpec, TableSpec, Task, days
from framework.features.builder import DailyFeatures, EventFeatures, FeatureBuilder
from framework.scoring.scorer import BatchScorer
from framework.training import AnomalyTrainer, ClassificationTrainer, ModelTrainer, RegressionTrainer


def table(name):
    return TableSpec(name=name, description="a job's day", keys=("job_id",), time="run_date", columns=())


def model(name):
    return ModelSpec(
        name=name,
        use_case="the_case",
        question="what?",
        action="act",
        label_description="the label",
        unit="job-day",
        lookups=(Lookup(table="jobs"),),
        horizon=days(1),
        baseline=FromFeature(columns=("x",)),
    )


def builder(name):
    class Builder(FeatureBuilder):
        table = globals()["table"](name)

        def features(self, gold, days):
            raise NotImplementedError

    return Builder


def trainer(name):
    class Trainer(RegressionTrainer):
        spec = model(name)

        def labels(self, gold, as_of):
            raise NotImplementedError

        def estimator(self):
            raise NotImplementedError

    return Trainer


class Offers:
    """A plugin of builders and trainers, or of whatever its hook is told to do."""

    def __init__(self, *names, hook=None):
        self.names, self.hook = names, hook

    @hookimpl
    def feature_builders(self):
        return self.hook() if self.hook else [builder(name) for name in self.names]

    @hookimpl
    def model_trainers(self):
        return [trainer(f"{name}_model") for name in self.names]


def fails():
    raise RuntimeError("the hook broke")


def fails_later():
    yield builder("first")
    raise RuntimeError("the second builder broke")


class NoHooks:
    pass


class Misspelt:
    @hookimpl
    def feature_bilders(self):
        return []


class WrongArguments:
    @hookimpl
    def a_misspelt_hook_that_sorts_first(self):
        return []

    @hookimpl
    def feature_builders(self, unknown):
        return [unknown]


BROKEN = {
    "raises": (Offers(hook=fails), "RuntimeError: the hook broke"),
    "raises_later": (Offers(hook=fails_later), "RuntimeError: the second builder broke"),
    "returns_none": (Offers(hook=lambda: None), "TypeError"),
    "returns_numbers": (Offers(hook=lambda: [1, 2]), "AttributeError"),
    "returns_untold_classes": (Offers(hook=lambda: [NoHooks]), "AttributeError"),
    "no_hooks": (NoHooks(), "implements none of the hooks"),
    "none": (None, "implements none of the hooks"),
    "misspelt": (Misspelt(), "feature_bilders"),
    "wrong_arguments": (WrongArguments(), "unknown"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_and_the_rest_loads(name):
    plugin, description = BROKEN[name]
    found = discover(extra={name: plugin, "good": Offers("good")})
    assert set(found.broken) == {name}
    assert description in found.broken[name]
    assert {"good", "gold", "reliability"} <= set(found.domains)
    assert name not in found.domains
    assert found.builders["good"].domain == "good"
    assert name not in {offer.domain for offer in [*found.builders.values(), *found.trainers.values()]}


def test_all_broken_plugins_at_once_leave_the_others_alone():
    everything = {name: plugin for name, (plugin, _) in BROKEN.items()}
    found = discover(extra=everything | {"good": Offers("good")})
    assert set(found.broken) == set(BROKEN)
    assert "good_model" in found.trainers


@pytest.mark.parametrize("name", BROKEN)
def test_strict_raises_and_names_the_plugin(name):
    with pytest.raises(PluginError, match=f"domain '{name}' cannot be loaded"):
        discover(strict=True, extra={name: BROKEN[name][0]})


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """Installs a distribution with one domain, whose module holds the given code."""

    def install(code):
        info = tmp_path / "strange_domain-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-domain\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[health_monitor.domains]\nstrange = strange_plugin\n")
        (tmp_path / "strange_plugin.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "strange_plugin", raising=False)

    yield install
    sys.modules.pop("strange_plugin", None)


def test_a_strangers_package_loads_like_a_built_in(stranger):
    stranger(
        "from framework.core.plugins import hookimpl\n\n\nclass Mail:\n    name = 'mail'\n\n\n"
        "@hookimpl\ndef alert_sinks():\n    return [Mail()]\n"
    )
    found = discover(strict=True)
    assert found.domains["strange"] == "strange-domain"
    assert found.sinks["mail"].domain == "strange"


@pytest.mark.parametrize("code", ["import no_such_package", "1 / 0", "def broken(:"])
def test_a_package_that_cannot_be_imported_is_named(stranger, code):
    stranger(code)
    found = discover()
    assert set(found.broken) == {"strange"}
    assert {"gold", "reliability"} <= set(found.domains)
    with pytest.raises(PluginError, match=r"'strange'.*in strange-domain"):
        discover(strict=True)


@pytest.mark.parametrize("strict", [True, False])
def test_a_name_offered_twice_is_an_error_that_names_both_owners(strict):
    with pytest.raises(PluginError, match=r"'jobs' is offered twice, by 'one' and 'two'.*feature_builders"):
        discover(strict=strict, extra={"one": Offers("jobs"), "two": Offers("jobs")})
    with pytest.raises(PluginError, match="by 'reliability' and 'mine'"):
        discover(strict=strict, extra={"mine": Offers("reliability_features")})


def test_the_built_in_domains_load():
    found = discover(strict=True)
    assert not found.broken
    assert {"simulate", "folder"} <= set(found.sources)
    for name, offer in found.trainers.items():
        spec = offer.item.spec
        assert spec.name == name
        for lookup in spec.lookups:
            declared = found.table(lookup.table)
            for column in lookup.columns:
                assert not declared.feature(column).hidden
    assert set(found.scorers) < set(found.trainers)


def test_an_unknown_feature_table_names_the_nearest():
    found = discover(extra={"one": Offers("jobs")})
    assert found.table("jobs").name == "jobs"
    with pytest.raises(ConfigError, match="did you mean 'reliability_features'"):
        found.table("relability_features")


def test_models_are_selected_by_domain_and_by_name():
    found = discover(extra={"one": Offers("a", "b"), "two": Offers("c")})
    assert found.select_models(["one", "two"], []) == ["a_model", "b_model", "c_model"]
    assert found.select_models(["two"], []) == ["c_model"]
    assert found.select_models([], ["c_model", "a_model"]) == ["a_model", "c_model"]
    assert found.select_models(["two"], ["a_model"]) == []
    assert found.select_models((), ()) == list(found.trainers)


def test_unknown_domains_and_models_name_the_nearest():
    found = discover()
    with pytest.raises(ConfigError, match=r"no domain 'relability' \(in --domains\).*'reliability'"):
        found.select_models(["relability"], [])
    with pytest.raises(ConfigError, match=r"no model 'job_failure' \(in --models\).*'job_failure_predictor'"):
        found.select_models([], ["job_failure"])


def test_a_class_without_its_declaration_is_refused_with_what_to_write():
    with pytest.raises(SpecError, match=r"'spec' is missing.*Bare.*set `spec = ModelSpec\(\.\.\.\)`"):
        type("Bare", (ClassificationTrainer,), {})
    with pytest.raises(SpecError, match=r"'table' is missing.*set `table = TableSpec\(\.\.\.\)`"):
        type("Bare", (DailyFeatures,), {})
    with pytest.raises(SpecError, match=r"'model' is missing.*set `model`"):
        type("Bare", (BatchScorer,), {})


@pytest.mark.parametrize(
    ("base", "verb", "facts"),
    [
        (ClassificationTrainer, "train", {"spec": model("m")}),
        (AnomalyTrainer, "train", {"spec": model("m")}),
        (FeatureBuilder, "build", {"table": table("t")}),
        (EventFeatures, "plan", {"table": table("t")}),
        (DailyFeatures, "audit", {"table": table("t")}),
        (BatchScorer, "score", {"model": "m"}),
    ],
)
def test_a_final_verb_cannot_be_overridden(base, verb, facts):
    with pytest.raises(SpecError, match=f"'{verb}' is final"):
        type("Overrides", (base,), facts | {verb: lambda *_: None})
    between = type("Between", (base,), facts)
    with pytest.raises(SpecError, match=f"'{verb}' is final"):
        type("Later", (between,), {verb: lambda *_: None})


def test_a_class_with_an_open_hole_cannot_be_made_an_object():
    half = type("Half", (RegressionTrainer,), {"spec": model("m"), "labels": lambda *_: None})
    with pytest.raises(TypeError, match="estimator"):
        half()


def test_a_base_of_ones_own_needs_no_declaration():
    class Shared(ClassificationTrainer, abstract=True):
        task = Task.MULTICLASS

    assert issubclass(Shared, ModelTrainer)
    with pytest.raises(SpecError, match="'spec' is missing"):
        type("Bare", (Shared,), {})
