"""Loads kernels before the first frame: compiles them, or takes them from the cache. This counts as start-up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dataplane.processor.host import HostPlan, ProcessorHost
from dataplane.processor.messages import Segment, Work
from dataplane.processor.work_buffer import work_buffer
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.steering import Span
from dataplane.receive.work import new_work_columns
from dataplane.switch.snapshot import SteeringSnapshot
from dataplane.traffic.batch import FrameBatch


def load_steering_kernels(snapshot: SteeringSnapshot) -> None:
    """Load the kernels of the NIC front end."""
    one = np.zeros(1, np.uint32)
    frame = FrameBatch(0, np.zeros(1, np.int64), one, one, np.zeros(1, np.int64), np.zeros(64, np.uint8))
    offsets = np.zeros((1, len(snapshot.processors) + 1), np.int64)
    NicFrontEnd().accept(frame, [Span(1, snapshot)], new_work_columns(1), offsets, one.copy())


def load_processor_kernels(plan: HostPlan) -> None:
    """Load the kernels of a host's processors."""
    host = ProcessorHost(replace(plan, first_processor=0, costs=plan.costs[:1], processors=1))
    host.start(0)
    buffer = work_buffer(new_work_columns(1, rows_wanted=plan.rows_wanted), np.array([[0, 1]]), np.zeros(1, np.uint32))
    host.receive(Work(0, 0, 1, 0, (Segment(0, 1, ()),)), buffer)
    host.load_kernels()
