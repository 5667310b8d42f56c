"""Places simulated hosts: each has a seat on one node of the Ray cluster, and several hosts are on several nodes.

A seat is a bundle of a placement group. So all seats exist before any host starts, and Ray itself finds another node
for a seat whose node dies. The actors of a host request no CPUs themselves: the seat has requested them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from dataplane.errors import ExitCode, UserError

#: A full cluster may have room again soon, and Ray detects a dead node after about 15 s.
PLACEMENT_SECONDS = 60

#: Errors of Ray for an actor that has died, or that should start on a dead node.
ACTOR_LOST = (ray.exceptions.RayActorError, ray.exceptions.ActorUnschedulableError, ray.exceptions.ObjectLostError)


def processors_for_each(free: Sequence[float], hosts: int, actors: int) -> float:
    """The CPUs (of Ray) that a seat requests, such that `hosts` seats have room at the same time.

    `free` are the free CPUs of each node. If there are enough, a host requests one for each of its `actors`. On a small
    cluster hosts get equal shares, down to a fraction of a CPU. If nothing is free, a seat requests one and waits.
    """
    shares = [*map(float, range(actors, 0, -1)), *(1 / sharing for sharing in range(2, hosts + 1))]
    for share in shares:
        # Ray counts in steps of 1/10000
        if sum(int((node + 1e-4) / share) for node in free) >= hosts:
            return round(share - 5e-5, 4) if share < 1 else share
    return 1.0


class Seats:
    """The seats of hosts, by number."""

    def __init__(self, group: PlacementGroup) -> None:
        self._group = group

    def strategy(self, host: int) -> PlacementGroupSchedulingStrategy:
        """The strategy for everything that shares the memory of a host's node."""
        return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=host)

    @property
    def are_placed(self) -> bool:
        """False while a seat whose node has died has no other node."""
        state: str = placement_group_table(self._group)["state"]
        return state == "CREATED"


@contextmanager
def seats(actors: Sequence[int], node: str | None = None) -> Iterator[Seats]:
    """A seat for each host, with the number of its actors, spread over all nodes; UserError if there is no room.

    With `node`, all seats are on that node while it lives.
    """
    free = free_processors(node)
    share = processors_for_each(free, len(actors), max(actors))
    wanted = [{"CPU": min(share, float(count))} for count in actors]
    group = placement_group(wanted, strategy="STRICT_PACK" if node else "SPREAD", _soft_target_node_id=node)
    try:
        if not group.wait(PLACEMENT_SECONDS):
            raise UserError(no_room(len(actors)), ExitCode.INCONCLUSIVE)
        yield Seats(group)
    finally:
        remove_placement_group(group)


def on_nodes_in_turn(actors: int) -> list[NodeAffinitySchedulingStrategy]:
    """Strategies that use all nodes with CPUs in turn; placing raises one of `ACTOR_LOST` if the node has died by then.

    Ray's own "SPREAD", and a soft affinity, may put all actors on the same node.
    """
    nodes = nodes_with_processors()
    return [NodeAffinitySchedulingStrategy(nodes[actor % len(nodes)], soft=False) for actor in range(actors)]


def no_room(hosts: int) -> str:
    """The message for the user if Ray has found no place."""
    what = "a simulated host" if hosts == 1 else f"{hosts} simulated hosts"
    return f"the Ray cluster had no free processors for {what} for {PLACEMENT_SECONDS} s: try again later, or add nodes"


def node_name(node_id: str) -> str:
    """A readable name of a node: its address, and digits that distinguish it from others at that address."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    address = next((node["NodeManagerAddress"] for node in nodes if node["NodeID"] == node_id), "gone")
    return f"{address}/{node_id[:8]}"


def nodes_with_processors() -> list[str]:
    """The ids of nodes that live and have processors (CPUs of Ray), free or not."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["NodeID"] for node in nodes if node["Alive"] and node["Resources"].get("CPU")]


def this_node() -> str:
    """The id of the node on which this process runs."""
    node_id: str = ray.get_runtime_context().get_node_id()
    return node_id


def free_processors(node: str | None = None) -> list[float]:
    """Free CPUs of each node, or of that one."""
    from ray._private.state import available_resources_per_node  # noqa: PLC0415  # there is no public way by node

    by_node: dict[str, dict[str, Any]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    return [float(resources.get("CPU", 0)) for at, resources in by_node.items() if node in (None, at)]
