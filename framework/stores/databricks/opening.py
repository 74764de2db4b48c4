"""Opens the runtime of a Databricks workspace: its Spark session, Unity Catalog, MLflow."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Any

from framework.base.clock import Clock
from framework.base.errors import RuntimeSetupError
from framework.core.services import Services
from framework.stores.arrow import to_arrow
from framework.stores.databricks.staging import Staging
from framework.stores.databricks.store import DatabricksFeatureStore
from framework.stores.databricks.tables import DatabricksTables

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from framework.core.config import Settings
    from framework.core.plugins import Registry
    from framework.registry.versions import ModelRegistry


def open_databricks(settings: Settings, plugins: Registry, clock: Clock | None = None) -> Services:
    """Open the workspace's runtime; nothing is asked of the workspace before something is needed.

    Args:
        settings: The settings.
        plugins: What the loaded domains offer.
        clock: A frozen clock for tests; the machine's by default.

    Returns:
        The runtime.
    """
    return assembled(settings, plugins, clock or Clock(), spark=_session, client=_client, registry=_registry)


def assembled(
    settings: Settings,
    plugins: Registry,
    clock: Clock,
    *,
    spark: Callable[[], SparkSession],
    client: Callable[[], Any],
    registry: Callable[[Settings], ModelRegistry],
) -> Services:
    """Put a runtime together from the three things that only a workspace has.

    Args:
        settings: The settings.
        plugins: What the loaded domains offer.
        clock: The clock.
        spark: Returns the session.
        client: Makes the feature-engineering client.
        registry: Makes the model registry.

    Returns:
        The runtime.
    """
    run_id = uuid.uuid4().hex[:12]
    session = functools.cache(spark)
    staging = Staging(settings.schema_path, session, run_id, clock.now())
    tables = DatabricksTables(session, staging.stage)
    return Services(
        settings=settings,
        plugins=plugins,
        clock=clock,
        tables=tables,
        store=DatabricksFeatureStore(tables, session, functools.cache(client)),
        open_registry=lambda: registry(settings),
        open_spark=session,
        to_arrow=to_arrow,
        stage=tables.staged,
        open_delta=lambda path: session().read.format("delta").load(path),
        keep=staging.keep,
        run_id=run_id,
    )


def _session() -> SparkSession:
    """Return the workspace's session, in UTC."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as problem:
        raise RuntimeSetupError(
            what="there is no pyspark",
            where="platform databricks",
            fix="run on Databricks, or install databricks-connect",
        ) from problem
    session: SparkSession = SparkSession.builder.getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def _client() -> Any:
    try:
        from databricks.feature_engineering import FeatureEngineeringClient
    except ImportError as problem:
        raise RuntimeSetupError(
            what=f"the feature-engineering client cannot be imported: {problem}",
            where="platform databricks",
            fix="install health-monitor-ml[databricks]",
        ) from problem
    return FeatureEngineeringClient()


def _registry(settings: Settings) -> ModelRegistry:
    import mlflow

    from framework.registry.versions import ModelRegistry

    mlflow.set_tracking_uri("databricks")
    mlflow.set_registry_uri("databricks-uc")
    mlflow.autolog(disable=True)  # a workspace may log every fit by itself; each training logs its own run here
    return ModelRegistry(settings.schema_path, tags_in_search=False)
