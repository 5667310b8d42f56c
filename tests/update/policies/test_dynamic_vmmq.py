"""dynamic-vmmq."""

from __future__ import annotations

from dataplane.update.policies import make_policy

from .machine import LENGTH_NS, Machine, VPort, numbers, single


def quiet_machine(packets: int, entries: int = 16, count: int = 8) -> Machine:
    """A number of frames on `entries` entries over all processors; one frame is 0.1 % load."""
    machine = single([packets // entries] * entries, count)
    machine.cost_ns = LENGTH_NS // 1_000
    return machine


def used(machine: Machine) -> int:
    """Processors in the table."""
    return len({*machine.vports[0].table})


def test_quiet_traffic_comes_together() -> None:
    """After three quiet ticks half of the processors remain, after three more a quarter, at the end the default one."""
    machine, policy, counts = quiet_machine(160), make_policy("dynamic-vmmq", {}), []
    for _ in range(12):
        machine.tick(policy)
        counts.append(used(machine))
    assert counts == [8, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1, 1]
    assert {*machine.vports[0].table} == {machine.vports[0].default_processor}


def test_no_closer_than_allowed() -> None:
    """0.9 of work stays on three processors at least, with `coalesce_load` 0.3: on four, since eight are halved."""
    machine, policy = quiet_machine(900, entries=32), make_policy("dynamic-vmmq", {"coalesce_ticks": 1})
    for _ in range(6):
        machine.tick(policy)
    assert used(machine) == 4
    assert max(machine.packets().values()) <= 300


def test_patience_starts_anew() -> None:
    """A tick that is not quiet restarts the count of quiet ticks."""
    machine, policy = quiet_machine(160), make_policy("dynamic-vmmq", {})
    for packets in (10, 10, 400, 10, 10):
        machine.vports[0].packets = [packets] * 16
        assert machine.tick(policy) == []
    assert machine.tick(policy) != []


def test_burst_spreads() -> None:
    """Hot processors double up to the queues, at once or after `expand_ticks`; the load is even afterwards."""
    for patience in (1, 2):
        processors = numbers(8)
        machine = Machine(processors, {0: VPort(6, [processors[2]] * 64, processors[2], [50] * 64)})
        policy, counts = make_policy("dynamic-vmmq", {"expand_ticks": patience, "expand_load": 0.7}), []
        for _ in range(4 * patience):
            machine.tick(policy)
            counts.append(used(machine))
        assert counts[patience - 1 :: patience] == [2, 4, 6, 6]  # 3.2 processors' worth on 4 is 0.8, on 6 it is 0.53
        assert max(machine.packets().values()) == 550


def test_single_hot_ticks_do_not_add_up() -> None:
    """`expand_ticks` means in a row."""
    machine, policy = quiet_machine(1_000, count=2), make_policy("dynamic-vmmq", {"expand_ticks": 2})
    machine.vports[0].table = [machine.processors[0]] * 16
    for packets, expands in ((60, False), (30, False), (60, False), (60, True)):
        machine.vports[0].packets = [packets] * 16
        assert bool(machine.tick(policy)) is expands


def test_hot_through_others() -> None:
    """A VPort leaves a processor that other work keeps busy; a VPort without work there stays as it is."""
    processors = numbers(4)
    vports = {
        1: VPort(2, [processors[0]] * 4, processors[0], [10] * 4),
        2: VPort(2, [processors[0]] * 4, processors[0], [0] * 4),
    }
    machine = Machine(processors, vports, rest={processors[0]: 900})
    assert [wish.vport_id for wish in machine.tick(make_policy("dynamic-vmmq", {}))] == [1]
    assert machine.packets()[processors[1]] == 40
