"""What moves on the data path: NET_BUFFER_LISTs received and sent, the calls that hand them over, DPC runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataplane.ids import ProcessorNumber
from dataplane.ndis.constants import ReceiveFlags, SendCompleteFlags
from dataplane.ndis.status import NdisStatus


@dataclass(slots=True, eq=False)
class ReceivedNbl:
    """A received frame from its classification on; what is fixed then never changes (MOD-08)."""

    label: str
    number: int  # how many frames arrived before it
    on_switch: bool  # whether `target_id` is a VPort or a queue
    target_id: int
    processor: ProcessorNumber
    entry: int | None  # indirection table index
    hash_info: int  # slot 9
    hash_value: int  # slot 8
    ieee8021q: int  # slot 4
    data: bytes  # without its VLAN tag (RX-09)
    filter_id: int  # the filter that matched, 0 = none; not the FilterId of the OOB, which is 0 (RX-21)
    keep: bool  # the client keeps it until it is returned
    receive_flags: ReceiveFlags | None = None  # of its indication; None: still held
    kept: bool = False  # the client owes it now


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a frame at its arrival."""

    label: str
    nbl: ReceivedNbl | None  # None: dropped
    drop_reason: str = ""
    interrupts: tuple[ProcessorNumber, ...] = ()  # raised by it


@dataclass(slots=True, eq=False)
class SentNbl:
    """A NET_BUFFER_LIST given to the miniport for sending; accounting and processor are fixed then (TX-12)."""

    label: str
    number: int  # how many were submitted before it
    net_buffers: tuple[bytes, ...]  # one frame each
    ieee8021q: int
    keep: bool  # by a VPort that receives it
    on_switch: bool  # whether `target_id` is a VPort or a queue
    target_id: int  # it is accounted to (TX-06, TX-09)
    processor: ProcessorNumber | None  # of its completion; None: completed inside the call
    entry: int | None = None
    status: NdisStatus = NdisStatus.NDIS_STATUS_SUCCESS
    queued: bool = False  # behind held transmit hardware
    completed: bool = False
    wire: list[bytes] = field(default_factory=list)
    received: list[Arrival] = field(default_factory=list)  # NET_BUFFERs taken by another VPort (VPT-32)


@dataclass(frozen=True, slots=True)
class IndicationCall:
    """One receive indication."""

    flags: ReceiveFlags
    nbls: tuple[ReceivedNbl, ...]  # in arrival order (RX-15)


@dataclass(frozen=True, slots=True)
class CompletionCall:
    """One send completion (TX-11)."""

    flags: SendCompleteFlags
    nbls: tuple[SentNbl, ...]  # in submission order (TX-14)


@dataclass(frozen=True, slots=True)
class DpcRun:
    """What the DPC of one processor did."""

    processor: ProcessorNumber
    calls: tuple[IndicationCall, ...]
    completion_calls: tuple[CompletionCall, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """One NET_BUFFER_LIST of a send call, as the client gives it."""

    label: str
    net_buffers: tuple[bytes, ...]
    target_id: int = 0  # VPortId or QueueId OOB
    hash_info: int = 0  # slot 9
    hash_value: int = 0  # slot 8
    ieee8021q: int = 0  # slot 4
    keep: bool = False
