"""The reference order measure against examples worked out by hand."""

from __future__ import annotations

from tests.reference.order import Order, ReorderedFrame, measure_order


def one_flow(*completions_ns: int | None) -> Order:
    """The order of one flow whose frames, in arrival order, complete at these times."""
    return measure_order([("flow", completion) for completion in completions_ns])


def test_in_order() -> None:
    """Nothing, one frame, increasing and equal completions are in order (ORD-02)."""
    for order in (one_flow(), one_flow(5), one_flow(1, 2, 3), one_flow(4, 4, 4)):
        assert (order.reordered, order.max_extent, order.max_late_ns, order.ratio) == ((), 0, 0, 0.0)


def test_one_late_packet() -> None:
    """The fourth of ten packets arrives behind the eighth: extent 4, late time 62 (ORD-02)."""
    order = one_flow(68, 88, 108, 210, 148, 168, 188, 208, 228, 248)
    assert order.reordered == (ReorderedFrame(3, 4, 62),)
    assert (order.ratio, order.max_extent, order.max_late_ns, order.flows_reordered) == (0.1, 4, 62, 1)


def test_two_late_packets() -> None:
    """The fifth and sixth of ten packets arrive behind the seventh: extents 1 and 2 (ORD-02)."""
    order = one_flow(68, 88, 108, 128, 189, 190, 188, 208, 228, 248)
    assert order.reordered == (ReorderedFrame(4, 1, 1), ReorderedFrame(5, 2, 2))
    assert (order.ratio, order.max_extent, order.max_late_ns) == (0.2, 2, 2)


def test_early_packet_makes_all_it_overtook_late() -> None:
    """The last frame completes first: every other one is reordered, measured from that one (ORD-02)."""
    order = one_flow(10, 20, 30, 5)
    assert order.reordered == (ReorderedFrame(0, 1, 5), ReorderedFrame(1, 2, 15), ReorderedFrame(2, 3, 25))


def test_equal_completions_are_ordered_by_arrival() -> None:
    """Of two that overtook at the same instant the one that arrived first is the earliest completed one (ORD-02)."""
    assert one_flow(7, 3, 3).reordered == (ReorderedFrame(0, 2, 4),)


def test_flows_do_not_count_against_each_other() -> None:
    """Overtaking between flows is no reordering and lies in no extent (ORD-04)."""
    order = measure_order([("a", 50), ("b", 10), ("b", 20), ("a", 40), ("c", 45), ("b", 15)])
    assert order.reordered == (ReorderedFrame(0, 1, 10), ReorderedFrame(2, 1, 5))
    assert (order.completed, order.flows_reordered) == (6, 2)


def test_dropped_frames_take_no_part() -> None:
    """A dropped frame is not reordered, overtakes no frame, and does not count in the ratio (ORD-02)."""
    order = one_flow(None, 30, None, 20)
    assert (order.reordered, order.completed, order.ratio) == ((ReorderedFrame(1, 1, 10),), 2, 0.5)
