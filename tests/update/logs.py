"""Hand-made updates and logs, as processors may have written them, without a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dataplane.control.requests import Completion, OidRequest
from dataplane.ids import NdisVersion, ProcessorNumber
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.status import NdisStatus
from dataplane.processor.log import DROPPED_ROW, FOLLOWER_ROW, HOLD_ROW, MARK_ROW, OVERTAKABLE_ROW, UpdateLog
from dataplane.switch.change import GROUP_ROW, HEIR_ROW, MOVED_ROW, SteeringChange
from dataplane.switch.compile import compile_snapshot
from dataplane.switch.configuration import AdapterConfiguration, Mode, ReceiveQueue, RssState, VPort
from dataplane.update.certificates import UpdateReport, certify
from dataplane.update.records import RequestRecord, SteeringUpdate

PROCESSORS = (ProcessorNumber(0, 0), ProcessorNumber(0, 1), ProcessorNumber(1, 16))

SWITCH = AdapterConfiguration(
    mode=Mode.SWITCH,
    ndis_version=NdisVersion(6, 80),
    rss_processors=PROCESSORS,
    rss_base_processor=PROCESSORS[0],
    permanent_address=0x00155D000001,
    vports=(VPort(0, True, PROCESSORS[0]), VPort(5, True, PROCESSORS[0], RssState())),
)
VMQ = replace(SWITCH, mode=Mode.VMQ, vports=(), queues=(ReceiveQueue(3, True, PROCESSORS[1]),))

START_NS = 1_000_000  # first arrival; times of the helpers below count from it

SUCCESS = NdisStatus.NDIS_STATUS_SUCCESS
REFUSED = NdisStatus.NDIS_STATUS_NO_QUEUES


def request(
    at_ns: int,
    status: NdisStatus | None = SUCCESS,
    *,
    oid: int = Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
    **more: Any,
) -> RequestRecord:
    """A request of an event; without a status the request could not be built."""
    made = OidRequest(oid, RequestKind.METHOD, "A") if status is not None else None
    completion = Completion(status, True) if status is not None else None
    return RequestRecord("[[event]] 1", START_NS + at_ns, made, completion, **more)


def update(
    epoch: int,
    requested_ns: int,
    adopted_ns: int,
    moved: Sequence[tuple[int, int, int, int]] = (),
    configuration: AdapterConfiguration = SWITCH,
) -> SteeringUpdate:
    """An update that moves (target row, table index, source row, destination row)."""
    rows = np.array(list(moved), MOVED_ROW)
    change = SteeringChange(rows, np.zeros(0, GROUP_ROW), np.zeros(0, HEIR_ROW), len(rows))
    snapshot = compile_snapshot(configuration, epoch, PROCESSORS)
    return SteeringUpdate(START_NS + requested_ns, START_NS + adopted_ns, snapshot, change)


def log(
    marks: Sequence[tuple[int, ...]] = (),
    holds: Sequence[tuple[int, ...]] = (),
    overtakable: Sequence[tuple[int, ...]] = (),
    followers: Sequence[tuple[int, ...]] = (),
    dropped: Sequence[tuple[int, int]] = (),
) -> UpdateLog:
    """The log of a processor, rows as their types have them."""
    rows = UpdateLog(
        np.array(list(marks), MARK_ROW),
        np.array(list(holds), HOLD_ROW),
        np.array(list(overtakable), OVERTAKABLE_ROW),
        np.array(list(followers), FOLLOWER_ROW),
        np.array(list(dropped), DROPPED_ROW),
    )
    rows.marks["drained_ns"] += START_NS
    rows.overtakable["completion_ns"] += START_NS
    rows.followers["completion_ns"] += START_NS
    return rows


def report_of(
    updates: Sequence[SteeringUpdate],
    logs: Sequence[UpdateLog | None],
    requests: Sequence[RequestRecord] = (),
    *,
    hand_over: str = "permissive",
    arrived: int = 1000,
    last_arrival_ns: int = 500_000,
) -> UpdateReport:
    """The certificates of a run in which 1000 frames arrived in half a millisecond."""
    snapshot = updates[-1].snapshot if updates else compile_snapshot(SWITCH, 0)
    return certify(
        [update.record for update in updates], requests, logs, processors=snapshot.processors,
        target_ids=snapshot.target_ids, target_key="vport_id" if snapshot.configuration.vports else "queue_id",
        hand_over=hand_over, start_ns=START_NS, last_arrival_ns=START_NS + last_arrival_ns, arrived=arrived,
    )  # fmt: skip
