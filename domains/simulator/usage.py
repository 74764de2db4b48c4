"""fact_usage: one record per meter and day, with corrections, late rows, copies and what has no price."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domains.simulator.calendar import DAY, HOUR, Flags, Floats, Ints
from domains.simulator.meters import Meter, all_meters
from domains.simulator.rows import Rows, arrivals
from domains.simulator.skus import SKUS, price_by_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from domains.simulator.world import World

P_CORRECTED, P_TAKEN_BACK = 0.004, 0.15
"""Share of records that are retracted later, and of those the share that nothing replaces."""
P_TWICE, P_UNPRICED, P_NO_WORKSPACE, P_NO_ID, P_NO_INGESTION = 0.0015, 0.003, 0.0008, 0.0003, 0.002
P_NO_FLAG = 0.01
TYPES = ("ORIGINAL", "RETRACTION", "RESTATEMENT")
ORIGINAL, RETRACTION, RESTATEMENT = range(3)
DRAWS = 12


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Bills:
    """Records of all meters: position of the meter, day, signed quantity, kind of record, arrival, and their draws."""

    meter: Ints
    day: Ints
    quantity: Floats
    kind: Ints
    arrival: Ints
    unpriced: Flags
    draws: Floats

    def take(self, which: Ints | Flags, **changed: Any) -> Bills:
        """Return some of the records, some columns replaced."""
        taken = {f.name: getattr(self, f.name)[..., which] for f in dataclasses.fields(self)}
        return Bills(**taken | changed)


def fact_usage(world: World) -> Rows:
    """Return the usage of everything that is metered."""
    meters = all_meters(world)
    bills = _joined([_bills(world, meter, at) for at, meter in enumerate(meters)])
    bills = _joined((bills, *_corrections(bills)))
    bills = _joined((bills, bills.take(bills.draws[6] < P_TWICE)))
    start, end = (np.stack([getattr(m, name) for m in meters])[bills.meter, bills.day] for name in ("start", "end"))
    columns = _keys(meters, bills) | _amounts(meters, bills) | _tagging(meters, bills)
    columns |= {
        "usage_date": _days(world, bills.day * DAY),
        "usage_start_time": pa.array(world.calendar.micros(start), type=pa.timestamp("us", tz="UTC")),
        "usage_end_time": pa.array(world.calendar.micros(np.maximum(end, start)), type=pa.timestamp("us", tz="UTC")),
        "ingestion_date": _days(world, bills.arrival, bills.draws[9] < P_NO_INGESTION),
    }
    return Rows(columns, arrival=bills.arrival, time=start)


def _bills(world: World, meter: Meter, at: int) -> Bills:
    draws = world.stream("bills", meter.name).random((DRAWS, world.calendar.days))
    day = np.flatnonzero(np.abs(meter.quantity) > 1e-4)  # noqa: PLR2004 -- below what is billed
    draws = draws[:, day]
    return Bills(
        meter=np.full(len(day), at),
        day=day,
        quantity=np.round(meter.quantity[day], 6),
        kind=np.full(len(day), ORIGINAL),
        arrival=arrivals(meter.end[day] + HOUR // 2, meter.workspace, draws[:3]),
        unpriced=draws[3] < P_UNPRICED,
        draws=draws,
    )


def _corrections(bills: Bills) -> tuple[Bills, Bills]:
    """Some records are taken back within days, and most of those billed anew."""
    hit = bills.take(bills.draws[4] < P_CORRECTED)
    later = hit.arrival + ((1 + 9 * hit.draws[5]) * DAY).astype(np.int64)
    back = dataclasses.replace(hit, quantity=-hit.quantity, kind=np.full_like(hit.kind, RETRACTION), arrival=later)
    anew = np.round(hit.quantity * (0.6 + 0.5 * hit.draws[7]), 6)
    again = dataclasses.replace(hit, quantity=anew, kind=np.full_like(hit.kind, RESTATEMENT), arrival=later)
    return back, again.take(hit.draws[8] >= P_TAKEN_BACK)


def _joined(parts: Sequence[Bills]) -> Bills:
    names = [f.name for f in dataclasses.fields(Bills)]
    return Bills(**{name: np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in names})


def _keys(meters: Sequence[Meter], bills: Bills) -> dict[str, Any]:
    names = pa.array([meter.name for meter in meters]).take(pa.array(bills.meter))
    number = pa.array(bills.day * len(TYPES) + bills.kind).cast(pa.string())
    no_id = pa.array(bills.draws[10] < P_NO_ID)
    ids = pc.if_else(no_id, pa.scalar(None, pa.string()), pc.binary_join_element_wise(names, number, "-"))
    nowhere = bills.draws[11] < P_NO_WORKSPACE
    return {
        "record_id": ids,
        "workspace_id": _of_meter([m.workspace.workspace_id for m in meters], bills, nowhere),
        "usage_metadata_job_id": _of_meter([m.job for m in meters], bills),
        "usage_metadata_warehouse_id": _of_meter([m.warehouse for m in meters], bills),
        "usage_metadata_cluster_id": _of_meter([m.cluster for m in meters], bills),
        "identity_metadata_run_as": _of_meter([m.run_as for m in meters], bills),
        "record_type": pa.array(TYPES).take(pa.array(bills.kind)),
    }


def _of_meter(values: Sequence[str | None], bills: Bills, missing: Flags | None = None) -> pa.Array:
    return pa.array(values, type=pa.string()).take(pa.array(bills.meter, mask=missing))


def _amounts(meters: Sequence[Meter], bills: Bills) -> dict[str, Any]:
    sku = np.stack([meter.sku for meter in meters])[bills.meter, bills.day]
    days = meters[0].quantity.shape[0]
    price = np.where(bills.unpriced, np.nan, price_by_day(days)[sku, bills.day])
    cost, unpriced = np.nan_to_num(bills.quantity * price), np.isnan(price)
    at = pa.array(sku)
    return {
        "sku_name": pa.array([s.name for s in SKUS]).take(at),
        "usage_unit": pa.array([s.unit for s in SKUS]).take(at),
        "billing_origin_product": pa.array([s.product for s in SKUS]).take(at),
        "product_features_is_serverless": pa.array([s.serverless for s in SKUS]).take(at),
        "usage_quantity": pa.array(bills.quantity).cast(pa.decimal128(38, 10)),
        "list_cost": pc.if_else(
            pa.array(unpriced),
            pa.scalar(None, pa.decimal128(18, 6)),
            pa.array(np.round(cost, 6)).cast(pa.decimal128(18, 6)),
        ),
    }


def _tagging(meters: Sequence[Meter], bills: Bills) -> dict[str, Any]:
    tagged = np.stack([meter.tags.days for meter in meters])[bills.meter, bills.day]
    maps = pa.array([list(meter.tags.carried.items()) for meter in meters], type=pa.map_(pa.string(), pa.string()))
    return {
        "custom_tags": maps.take(pa.array(bills.meter, mask=~tagged)),
        "is_tagged": pa.array(tagged, mask=bills.draws[9] > 1 - P_NO_FLAG),
    }


def _days(world: World, seconds: Ints, missing: Flags | None = None) -> pa.Array:
    days = world.calendar.micros(seconds) // (DAY * 1_000_000)
    return pa.array(days.astype(np.int32), mask=missing).cast(pa.date32())
