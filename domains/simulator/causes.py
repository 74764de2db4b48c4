"""Every cause that may stand in ``incident_truth``, whichever tables show its effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domains.simulator.people import people_incidents, swap_incidents
from domains.simulator.spend import spend_incidents
from domains.simulator.tables import table_incidents
from domains.simulator.warehouses import query_incidents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from domains.simulator.incidents import Incident
    from domains.simulator.world import World


CAUSES: Mapping[str, Callable[[World], Iterable[Incident]]] = {
    "platform and jobs": lambda world: world.incidents,
    "accounts": lambda world: (i for found in people_incidents(world).values() for i in found),
    "swapped days": swap_incidents,
    "tables": lambda world: (i for found in table_incidents(world).values() for i in found),
    "spending": spend_incidents,
    "slow statements": query_incidents,
}
"""A table family with incidents of its own names here what draws them."""


def all_incidents(world: World) -> Iterable[Incident]:
    """Return all incidents, told or not."""
    return (incident for draw in CAUSES.values() for incident in draw(world))
