"""A warehouse at work: statements wait for compute and for room, clusters come and go."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from domains.simulator.calendar import MINUTE

if TYPE_CHECKING:
    from domains.simulator.warehouses import Version, Warehouse

PATIENCE = 8.0
"""Seconds of waiting after which another cluster is asked for."""
CALM = 12.0 * MINUTE
"""How long the last cluster must have been dispensable before it is given back."""
STARTUP = {"SERVERLESS": (4.0, 9.0), "PRO": (40.0, 90.0), "CLASSIC": (120.0, 240.0)}
ANOTHER = {"SERVERLESS": 12.0, "PRO": 80.0, "CLASSIC": 170.0}
STOPPING = 20.0

Event = tuple[float, str, int]


class Operation:
    """The state of one warehouse while its statements are served in the order in which they are asked for."""

    def __init__(self, warehouse: Warehouse) -> None:
        """Start out stopped, with the first settings.

        Args:
            warehouse: Whose statements these are.
        """
        self.events: list[Event] = []
        self._warehouse = warehouse
        self._ahead = list(warehouse.versions)
        self._now: Version = self._ahead.pop(0)
        self._clusters = 0
        self._free: list[float] = []  # when each place is free again; a heap
        self._ready = self._needed = self._last_end = 0.0

    def serve(self, time: float, seconds: float, luck: float, *, cached: bool) -> tuple[float, float]:
        """Serve one statement.

        Args:
            time: When it is asked.
            seconds: How long it works.
            luck: A uniform draw, for the start of a stopped warehouse.
            cached: Whether it is answered without a place on a cluster.

        Returns:
            Seconds of waiting for compute, and of waiting for room.
        """
        if self._clusters:
            self._pass_time(time)
        while self._ahead and self._ahead[0].time <= time:
            self._now = self._ahead.pop(0)
            if self._clusters:
                self._resize(time)
        if not self._clusters:
            self._start(time, luck)
        begin = arrived = max(time, self._ready)
        if not cached:
            begin = max(arrived, self._free[0])
            if begin - arrived > PATIENCE and self._clusters < self._now.most:
                self._add(max(arrived, self._needed) + ANOTHER[self._warehouse.kind])
                begin = max(arrived, self._free[0])
            heapq.heapreplace(self._free, begin + seconds)
            busy = sum(end > begin for end in self._free)
            if busy > (self._clusters - 1) * self._warehouse.slots:
                self._needed = max(self._needed, begin)
        self._last_end = max(self._last_end, begin + seconds)
        return arrived - time, begin - arrived

    def close(self, time: float) -> list[Event]:
        """Let time pass to the end and return all events, in order."""
        if self._clusters:
            self._pass_time(time)
        return sorted(self.events, key=lambda event: event[0])

    def _start(self, time: float, luck: float) -> None:
        least, (quick, slow) = self._now.least, STARTUP[self._warehouse.kind]
        self._ready = self._needed = time + quick + (slow - quick) * luck
        self.events += [(time, "STARTING", 0), (self._ready, "RUNNING", least)]
        self._clusters, self._free = least, [self._ready] * (least * self._warehouse.slots)

    def _add(self, time: float) -> None:
        self._clusters += 1
        self._needed = time
        for _ in range(self._warehouse.slots):
            heapq.heappush(self._free, time)
        self.events.append((time, "SCALED_UP", self._clusters))

    def _give_back(self, time: float) -> None:
        for _ in range(self._warehouse.slots):
            heapq.heappop(self._free)
        self._clusters -= 1
        self._needed = time
        self.events.append((time, "SCALED_DOWN", self._clusters))

    def _pass_time(self, until: float) -> None:
        """Give clusters back that nobody needs, and stop where nobody asks."""
        stop = self._last_end + self._now.stop * MINUTE if self._now.stop else float("inf")
        while self._clusters > self._now.least:
            idle = heapq.nsmallest(self._warehouse.slots, self._free)[-1]
            calm = max(self._needed, idle) + CALM
            if calm >= min(stop, until):
                break
            self._give_back(calm)
        if stop < until:
            self.events += [(stop, "STOPPING", self._clusters), (min(stop + STOPPING, until), "STOPPED", 0)]
            self._clusters, self._free = 0, []

    def _resize(self, time: float) -> None:
        """Bring a running warehouse within its new bounds."""
        while self._clusters < self._now.least:
            self._add(max(time, self._needed) + 1)
        while self._clusters > self._now.most:
            self._give_back(max(time, self._needed) + 1)
