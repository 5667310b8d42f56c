"""Where simulated hosts go: each has a seat on one node of the Ray cluster, and several hosts sit on several nodes.

A seat is a bundle of a placement group, so all seats are there before any host starts, and Ray itself finds another
node for a seat whose node dies. The actors of a host ask for no processors themselves: the seat has asked for them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from dataplane.errors import ExitCode, UserError

#: A cluster that is full may have room again soon; a node that has died is found out after some 15 s.
PLACEMENT_SECONDS = 60

#: What Ray raises of an actor that is gone, or that was to start on a node that is.
ACTOR_LOST = (ray.exceptions.RayActorError, ray.exceptions.ActorUnschedulableError, ray.exceptions.ObjectLostError)


def processors_for_each(free: Sequence[float], hosts: int, actors: int) -> float:
    """Processors (CPUs of Ray) that a seat asks for, so that `hosts` seats find room at the same time.

    `free` are those of each node. A host that has them asks for one for each of its `actors`; on a small cluster hosts
    get equal shares, down to a fraction of a processor. When nothing is free it is one: there is something to wait for.
    """
    shares = [*map(float, range(actors, 0, -1)), *(1 / sharing for sharing in range(2, hosts + 1))]
    for share in shares:
        # Ray counts in steps of 1/10000
        if sum(int((node + 1e-4) / share) for node in free) >= hosts:
            return round(share - 5e-5, 4) if share < 1 else share
    return 1.0


class Seats:
    """Where hosts are to be placed, by number."""

    def __init__(self, group: PlacementGroup) -> None:
        self._group = group

    def strategy(self, host: int) -> PlacementGroupSchedulingStrategy:
        """For everything that shares the memory of a host's node."""
        return PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=host)

    @property
    def are_placed(self) -> bool:
        """False while a seat whose node has died has no other."""
        state: str = placement_group_table(self._group)["state"]
        return state == "CREATED"


@contextmanager
def seats(actors: Sequence[int], node: str | None = None) -> Iterator[Seats]:
    """A seat for each host, with the number of its actors, on as many nodes as there are; UserError without room.

    With a node all of them are there while it lives.
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
    """One after the other on every node that has processors; `ACTOR_LOST` when it has died by then.

    Ray's own "SPREAD", and an affinity that is soft, may put all actors on the same node.
    """
    nodes = nodes_with_processors()
    return [NodeAffinitySchedulingStrategy(nodes[actor % len(nodes)], soft=False) for actor in range(actors)]


def no_room(hosts: int) -> str:
    """What to tell the user when Ray has found no place."""
    what = "a simulated host" if hosts == 1 else f"{hosts} simulated hosts"
    return f"the Ray cluster had no free processors for {what} for {PLACEMENT_SECONDS} s: try again later, or add nodes"


def node_name(node_id: str) -> str:
    """A node for people: its address, and what tells it from others at that address."""
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
    """Processors that nothing has asked for, of each node or of that one."""
    from ray._private.state import available_resources_per_node  # noqa: PLC0415  # there is no public way by node

    by_node: dict[str, dict[str, Any]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    return [float(resources.get("CPU", 0)) for at, resources in by_node.items() if node in (None, at)]
