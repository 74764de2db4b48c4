"""The command line: ``health-monitor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from framework.ops.alerts_cli import alerts
from framework.ops.exit_code import end_with
from framework.ops.new_cli import new

app = typer.Typer(
    name="health-monitor",
    help="Production machine learning over a platform's own telemetry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(alerts, name="alerts")
app.add_typer(new, name="new")

Gold = Annotated[
    str | None,
    typer.Option(
        help="A folder of gold tables, or a source: simulate, system; on Databricks also catalog.schema.",
        show_default="simulate",
    ),
]
Home = Annotated[Path | None, typer.Option(help="Folder of tables, MLflow and ledger.", show_default=".health-monitor")]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="Day to act on, YYYY-MM-DD, less the source's incomplete days.",
        show_default="newest day of the source",
    ),
]
Domains = Annotated[str | None, typer.Option(help="Domains, separated by commas.", show_default="all")]
Models = Annotated[str | None, typer.Option(help="Models, separated by commas.", show_default="all")]
Strict = Annotated[bool, typer.Option("--strict", help="Raise on a broken plugin instead of skipping it.")]
Resume = Annotated[bool, typer.Option("--resume", help="Take over what the last run of this day finished.")]
Config = Annotated[Path | None, typer.Option(help="TOML file with settings.")]
Scale = Annotated[
    float | None, typer.Option(help="Size of the simulated gold layer; 1 is about a million rows.", show_default="0.1")
]
Schemas = Annotated[
    str | None,
    typer.Option(help="Schemas or whole catalogs, separated by commas; system for all.", show_default="ours"),
]
From = Annotated[
    str | None,
    typer.Option("--from", help="First day to rebuild, YYYY-MM-DD.", show_default="days that can still change"),
]


@app.command()
def run(
    gold: Gold = None, home: Home = None, as_of: AsOf = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, resume: Resume = False, config: Config = None, scale: Scale = None,
) -> None:  # fmt: skip
    """Build features, train, score and monitor: everything, in order."""
    _run(("features", "train", "score", "monitor"), locals())


@app.command()
def features(
    gold: Gold = None, home: Home = None, as_of: AsOf = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, resume: Resume = False, config: Config = None, scale: Scale = None, first: From = None,
    tables: Annotated[
        str | None, typer.Option(help="Feature tables, separated by commas.", show_default="all that are read")
    ] = None,
) -> None:  # fmt: skip
    """Build the feature tables of the selected models."""
    _run(("features",), locals())


@app.command()
def train(
    gold: Gold = None, home: Home = None, as_of: AsOf = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, resume: Resume = False, config: Config = None, scale: Scale = None,
    requested: Annotated[bool, typer.Option("--requested", help="Only what monitoring asked for.")] = False,
) -> None:  # fmt: skip
    """Train, judge and register the selected models; features must be there."""
    _run(("train",), locals())


@app.command()
def score(
    gold: Gold = None, home: Home = None, as_of: AsOf = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, resume: Resume = False, config: Config = None, scale: Scale = None,
) -> None:  # fmt: skip
    """Score the day with the versions that serve."""
    _run(("score",), locals())


@app.command()
def monitor(
    gold: Gold = None, home: Home = None, as_of: AsOf = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, resume: Resume = False, config: Config = None, scale: Scale = None,
) -> None:  # fmt: skip
    """Join outcomes, look for drift, ask for trainings, raise alerts and send them."""
    _run(("monitor",), locals())


@app.command()
def replay(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    train_every: Annotated[int, typer.Option(min=1, help="Days from one training to the next.")] = 7,
    gold: Gold = None, home: Home = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, config: Config = None, scale: Scale = None,
) -> None:  # fmt: skip
    """Go through past days as if the monitor had run on each: train, score, monitor."""
    from framework.core.config import parse_day
    from framework.run.replay import run_replay

    given = {
        "gold": gold, "home": home, "domains": domains, "models": models, "strict": strict, "config": config,
        "scale": scale,
    }  # fmt: skip
    end_with(lambda: run_replay(_parsed(given), parse_day(first, "--from"), parse_day(last, "--to"), train_every))


@app.command()
def snapshot(
    home: Home = None, as_of: AsOf = None, config: Config = None, strict: Strict = False,
    schemas: Schemas = None,
) -> None:  # fmt: skip
    """Write down today's tables and columns, so that they have a history."""
    from framework.ops.command import snapshot_tables

    given = {"home": home, "as_of": as_of, "config": config, "strict": strict}
    end_with(lambda: snapshot_tables(_parsed(given), schemas or ""))


@app.command()
def models(
    domains: Domains = None,
    strict: Strict = False,
    cards: Annotated[Path | None, typer.Option(help="Write model cards to this folder.")] = None,
    catalog: Annotated[Path | None, typer.Option(help="Write the catalogue of all models to this file.")] = None,
    figures: Annotated[Path | None, typer.Option(help="Measured figures, for the catalogue.")] = None,
) -> None:
    """List the models, or write their cards and the catalogue."""
    from framework.ops.command import list_models

    end_with(lambda: list_models(domains, strict=strict, cards=cards, catalogue=catalog, figures=figures))


@app.command()
def bundle(
    folder: Annotated[Path, typer.Option(help="Folder that holds databricks.yml.")] = Path(),
    write: Annotated[bool, typer.Option("--write", help="Write the generated files.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare them, and look for faults.")] = False,
    strict: Strict = False,
) -> None:
    """Write the asset bundle's jobs, dashboard and monitors from the loaded domains, or check the whole bundle."""
    from framework.ops.bundle.command import run_bundle

    end_with(lambda: run_bundle(folder, write=write, check=check, strict=strict))


@app.command()
def doctor(
    gold: Gold = None, home: Home = None, domains: Domains = None, models: Models = None,
    strict: Strict = False, config: Config = None,
) -> None:  # fmt: skip
    """Check what a run needs, and print the step for whatever is missing."""
    from framework.ops.doctor.command import run_doctor

    given = {"gold": gold, "home": home, "domains": domains, "models": models, "strict": strict, "config": config}
    end_with(lambda: run_doctor(_parsed(given)))


@app.command()
def audit(
    home: Home = None, domains: Domains = None, models: Models = None, strict: Strict = False, config: Config = None,
    bundle: Annotated[Path, typer.Option(help="Folder that holds databricks.yml.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:  # fmt: skip
    """Audit what is registered and stored: fourteen practices, six criteria."""
    from framework.ops.audit.command import run_audit

    given = {"home": home, "domains": domains, "models": models, "strict": strict, "config": config}
    end_with(lambda: run_audit(_parsed(given), bundle, as_json=as_json))


@app.command()
def backtest(
    model: Annotated[str, typer.Argument(help="Model.")],
    first: Annotated[str, typer.Option("--from", help="First origin, YYYY-MM-DD: the last day that its fit knows.")],
    last: Annotated[str, typer.Option("--to", help="Last origin, YYYY-MM-DD.")],
    every: Annotated[int, typer.Option(min=1, help="Days from one origin to the next; each is judged until then.")] = 7,
    gold: Gold = None, home: Home = None, as_of: AsOf = None, strict: Strict = False, config: Config = None,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Fit a model at past days and judge each fit on the days after; features must be there."""
    from framework.core.config import parse_day
    from framework.run.backtest import run_backtest

    given = {"gold": gold, "home": home, "as_of": as_of, "strict": strict, "config": config, "scale": scale}
    end_with(lambda: run_backtest(_parsed(given), model, parse_day(first, "--from"), parse_day(last, "--to"), every))


@app.command()
def leaks(
    model: Annotated[str, typer.Argument(help="Model.")],
    gold: Gold = None, home: Home = None, as_of: AsOf = None, strict: Strict = False, config: Config = None,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Run every leakage check of a model and print what each found; features must be there."""
    from framework.run.leaks import run_leaks

    given = {"gold": gold, "home": home, "as_of": as_of, "strict": strict, "config": config, "scale": scale}
    end_with(lambda: run_leaks(_parsed(given), model))


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="Table.", show_default="the tables that there are")] = "",
    where: Annotated[list[str] | None, typer.Option(help="Condition, column=value; all must hold.")] = None,
    columns: Annotated[str, typer.Option(help="Columns, separated by commas.", show_default="all")] = "",
    day: Annotated[str, typer.Option(help="Only rows of this day, YYYY-MM-DD.", show_default="all")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Most rows to print.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    home: Home = None, config: Config = None,
) -> None:  # fmt: skip
    """Print rows of a table of the home, such as features, predictions, quarantine or ledger."""
    from framework.core.config import split_words
    from framework.ops.alerts_command import open_tables
    from framework.ops.show import show_table

    form = "json" if as_json else "csv" if as_csv else "table"
    given = _parsed({"home": home, "config": config})
    end_with(
        lambda: show_table(
            open_tables(given), table, where=where or (), columns=split_words(columns), day=day, limit=limit, form=form
        )
    )


@app.command()
def report(
    home: Home = None, domains: Domains = None, models: Models = None, strict: Strict = False, config: Config = None,
    as_of: Annotated[
        str | None, typer.Option(help="Newest day to look at, YYYY-MM-DD.", show_default="newest day of a run")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="report.html in the home")] = None,
) -> None:  # fmt: skip
    """Write the report: what needs attention, how the models do, what did not run."""
    from framework.ops.report.command import run_report

    given = {"home": home, "as_of": as_of, "domains": domains, "models": models, "strict": strict, "config": config}
    end_with(lambda: run_report(_parsed(given), out))


@app.command()
def promote(
    model: Annotated[str | None, typer.Argument(help="Model whose champion to change here.")] = None,
    to: Annotated[int | None, typer.Option(help="Version to make champion.", show_default="the challenger")] = None,
    to_catalog: Annotated[str | None, typer.Option(help="Copy into this catalog instead, same schema.")] = None,
    home: Home = None, domains: Domains = None, models: Models = None, strict: Strict = False, config: Config = None,
    version: Annotated[int | None, typer.Option(help="Version of one model to copy.", show_default="champion")] = None,
) -> None:  # fmt: skip
    """Make a version champion, or copy validated versions into another catalog with their evidence."""
    from framework.ops.promotion.command import change_champion, run_promotion

    given = {"home": home, "domains": domains, "models": models, "strict": strict, "config": config}
    if to_catalog is not None:
        if model is not None:
            given["models"] = model
        end_with(lambda: run_promotion(_parsed(given), to_catalog, version))
    if model is None:
        raise typer.BadParameter("name a model to promote here, or --to-catalog to copy")
    end_with(lambda: change_champion(_parsed(given), model, to, back=False))


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="Model whose champion to take back.")],
    to: Annotated[int | None, typer.Option(help="Version that takes its place.", show_default="the one before")] = None,
    home: Home = None, strict: Strict = False, config: Config = None,
) -> None:  # fmt: skip
    """Take the champion back: the version before it serves again, and the gate promotes it no more."""
    from framework.ops.promotion.command import change_champion

    given = {"home": home, "strict": strict, "config": config}
    end_with(lambda: change_champion(_parsed(given), model, to, back=True))


@app.command()
def plugins(strict: Strict = False) -> None:
    """List the domains, what they offer, and what could not be loaded."""
    from framework.ops.command import list_plugins

    end_with(lambda: list_plugins(strict=strict))


def _run(stages: tuple[str, ...], options: dict[str, Any]) -> None:
    from framework.ops.command import run_stages

    end_with(lambda: run_stages(stages, _parsed(options), sys.argv[1:]))


def _parsed(options: dict[str, Any]) -> dict[str, Any]:
    """Turn words of the command line into settings; what was not given stays out."""
    from framework.core.config import LISTS, parse_day, split_words

    found = {k: v for k, v in options.items() if v is not None}
    for name in LISTS:
        if name in found:
            found[name] = split_words(found[name])
    for name, option in (("as_of", "--as-of"), ("first", "--from")):
        if name in found:
            found[name] = parse_day(found[name], option)
    return found


def main() -> None:
    """Entry point of the console script."""
    app()
