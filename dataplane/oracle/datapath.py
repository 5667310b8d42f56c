"""The data path of the model adapter: frames in hardware queues, interrupts, DPCs, indications, returns, sends.

A frame is classified once, when it arrives. It then stays in the hardware queue of its processor until the DPC of that
processor takes everything that is queued there (MOD-07, MOD-08, INT-04 to INT-06). DPCs run by themselves unless they
are held. There is no clock: the owner of this object decides when DPCs run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from dataplane.control import Condition, ControlPlane, Discard
from dataplane.control.requests import VPORT_DELETED
from dataplane.ids import DEFAULT_QUEUE_ID, DEFAULT_VPORT_ID, NO_FILTER_ID, ProcessorNumber
from dataplane.ndis.constants import NDIS_HASH_FUNCTION_MASK, QueueParametersFlags, ReceiveFlags, SendCompleteFlags
from dataplane.ndis.oob import Ieee8021Q
from dataplane.ndis.status import NdisStatus
from dataplane.oracle.nbls import Arrival, CompletionCall, DpcRun, IndicationCall, ReceivedNbl, Send, SentNbl
from dataplane.oracle.steering import FrameSteering
from dataplane.receive.steering import SteeredFrame
from dataplane.switch.configuration import TOEPLITZ, AdapterConfiguration, Mode, RssState

_TPID = b"\x81\x00"
_MAC_ADDRESSES_BYTES = 12
_TAG_BYTES = 4

#: Why frames are dropped while the adapter does not run (MOD-13).
DROP_REASON_OF = {
    Condition.PAUSED: "paused",
    Condition.RESETTING: "resetting",
    Condition.REMOVED: "removed",
}


@dataclass(slots=True)
class _ProcessorWork:
    """What is queued for one processor; as long as there is something its interrupt is pending (INT-05)."""

    received: list[ReceivedNbl] = field(default_factory=list)
    completions: list[SentNbl] = field(default_factory=list)


class _Holds:
    """Which processors' DPCs are held: all but some, or only some."""

    def __init__(self) -> None:
        self._all = False
        self._exceptions: set[ProcessorNumber] = set()

    def __contains__(self, processor: ProcessorNumber) -> bool:
        return (processor in self._exceptions) is not self._all

    def set(self, processors: Iterable[ProcessorNumber] | None, *, held: bool) -> None:
        """Hold or release some processors, or all of them (None)."""
        if processors is None:
            self._all, self._exceptions = held, set()
        elif held is self._all:
            self._exceptions.difference_update(processors)
        else:
            self._exceptions.update(processors)


class DataPath:
    """Frames and sends of one adapter; reads the control plane's state, never changes it."""

    def __init__(
        self,
        control: ControlPlane,
        steering: Callable[[AdapterConfiguration, int], FrameSteering],
    ) -> None:
        self._control = control
        self._make_steering = steering
        self._steering: FrameSteering | None = None
        self._steering_epoch = -1
        self._without_sender: dict[int, FrameSteering] = {}  # of the present epoch, by sending VPort
        self._work: dict[ProcessorNumber, _ProcessorWork] = {}
        self._holds = _Holds()
        self._outstanding: dict[str, list[ReceivedNbl]] = {}  # kept NBLs by label
        self._outstanding_count = 0
        #: NBLs not returned, by queue or VPort; no zeros.
        self.outstanding_by_target: Counter[int] = Counter()
        self._transmit_held = False
        self._queued_sends: list[SentNbl] = []
        self._submitted = 0
        self.arrived = 0
        self.indicated = 0
        self.drop_reasons: Counter[str] = Counter()

    # Counters

    @property
    def held(self) -> int:
        """Frames in hardware queues."""
        return sum(len(work.received) for work in self._work.values())

    def check_conservation(self) -> None:
        """Every frame that arrived was indicated, dropped or is held (MOD-11)."""
        assert self.arrived == self.indicated + self.drop_reasons.total() + self.held, "frames got lost or doubled"

    # Receiving

    def receive(self, label: str, frame: bytes, wire_length: int, *, keep: bool) -> Arrival:
        """A frame arrives from the physical port: classify it and put it into the queue of its processor."""
        condition = self._control.state.condition
        if condition is not Condition.RUNNING:
            return self._dropped(label, DROP_REASON_OF[condition])
        return self._place(label, frame, self._current_steering().steer(frame, wire_length), keep=keep)

    def _dropped(self, label: str, reason: str) -> Arrival:
        self.arrived += 1
        self.drop_reasons[reason] += 1
        return Arrival(label, None, reason)

    def _place(self, label: str, frame: bytes, steered: SteeredFrame, *, keep: bool) -> Arrival:
        if steered.drop_reason is not None:
            return self._dropped(label, steered.drop_reason)
        assert steered.target_id is not None
        assert steered.processor is not None
        nbl = ReceivedNbl(
            label=label,
            number=self.arrived,
            on_switch=self._control.state.mode is Mode.SWITCH,
            target_id=steered.target_id,
            processor=steered.processor,
            entry=steered.entry,
            hash_info=int(steered.hash_type) | TOEPLITZ if steered.hash_type else 0,
            hash_value=steered.hash_value,
            ieee8021q=steered.oob_8021q,
            data=_without_tag(frame) if steered.tagged else frame,
            filter_id=steered.filter_id,
            keep=keep,
        )
        self.arrived += 1
        work, raised = self._work_of(nbl.processor)
        work.received.append(nbl)
        return Arrival(label, nbl, interrupts=raised)

    def _work_of(self, processor: ProcessorNumber) -> tuple[_ProcessorWork, tuple[ProcessorNumber, ...]]:
        """The queue of a processor, and the processor if putting something there raises its interrupt (INT-05)."""
        work = self._work.get(processor)
        if work is not None:
            return work, ()
        work = self._work[processor] = _ProcessorWork()
        return work, (processor,)

    def _current_steering(self) -> FrameSteering:
        if self._steering is None or self._steering_epoch != self._control.epoch:
            self._steering = self._make_steering(self._control.configuration, self._control.epoch)
            self._steering_epoch = self._control.epoch
            self._without_sender.clear()
        return self._steering

    def discard(self, discards: Iterable[Discard]) -> list[tuple[str, str]]:
        """Drop held frames of queues and VPorts (QUE-09, VPT-27): label and reason of each, as they arrived."""
        dropped: list[tuple[str, str]] = []
        for discard in discards:
            dropped += self._drop_held(discard.reason, partial(_concerns, discard))
        return dropped

    def stop(self) -> list[tuple[str, str]]:
        """The adapter has stopped working: drop every held frame, for the reason that it has stopped (MOD-13)."""
        return self._drop_held(DROP_REASON_OF[self._control.state.condition], lambda _: True)

    def _drop_held(self, reason: str, goes: Callable[[ReceivedNbl], bool]) -> list[tuple[str, str]]:
        dropped: list[ReceivedNbl] = []
        for processor, work in list(self._work.items()):
            dropped += filter(goes, work.received)
            work.received = [nbl for nbl in work.received if not goes(nbl)]
            if not work.received and not work.completions:
                del self._work[processor]  # nothing queued, no interrupt (INT-11)
        if dropped:
            self.drop_reasons[reason] += len(dropped)
        return [(nbl.label, reason) for nbl in sorted(dropped, key=lambda nbl: nbl.number)]

    # DPCs

    def hold_dpc(self, processors: Iterable[ProcessorNumber] | None) -> None:
        """From now on the DPCs of these processors (None: all) do not run by themselves."""
        self._holds.set(processors, held=True)

    def release_dpc(self, processors: Iterable[ProcessorNumber] | None) -> None:
        """End the hold."""
        self._holds.set(processors, held=False)

    def run_dpcs(self, processors: Iterable[ProcessorNumber] | None) -> list[DpcRun]:
        """Run the DPC of each of these processors (None: all) that has work, held or not, ascending."""
        chosen = set(self._work) if processors is None else self._work.keys() & set(processors)
        return [self._run_dpc(processor) for processor in sorted(chosen)]

    def run_free_dpcs(self) -> list[DpcRun]:
        """Run the DPC of each processor that has work and is not held, ascending."""
        return [self._run_dpc(processor) for processor in sorted(self._work) if processor not in self._holds]

    def _run_dpc(self, processor: ProcessorNumber) -> DpcRun:
        """Indicate and complete everything that is queued for a processor, there (RX-16, INT-06, INT-08)."""
        work = self._work.pop(processor)
        calls: list[IndicationCall] = []
        for flags, group in self._groups(work.received):
            calls += self._indicate(flags, group)
        completion_calls: list[CompletionCall] = []
        if completions := sorted(work.completions, key=lambda sent: sent.number):  # a refused one waits for no hardware
            for sent in completions:
                sent.completed = True
            completion_calls.append(CompletionCall(self._completion_flags(completions), tuple(completions)))
        return DpcRun(processor, tuple(calls), tuple(completion_calls))

    def _groups(self, nbls: Sequence[ReceivedNbl]) -> list[tuple[ReceiveFlags, list[ReceivedNbl]]]:
        """NBLs that are indicated together (RX-22, RX-23): by VPort, by PER_QUEUE queue, the rest in one."""
        state = self._control.state
        per_queue = {
            queue_id
            for queue_id, record in state.queues.items()
            if record.parameters.flags & QueueParametersFlags.PER_QUEUE_RECEIVE_INDICATION
        }
        rest = -1  # not a queue id

        def group_of(nbl: ReceivedNbl) -> int:
            if nbl.on_switch or nbl.target_id in per_queue:
                return nbl.target_id
            return rest

        groups: dict[int, list[ReceivedNbl]] = {}
        for nbl in nbls:
            groups.setdefault(group_of(nbl), []).append(nbl)
        common = ReceiveFlags.SHARED_MEMORY_INFO_VALID if state.mode is Mode.VMQ else ReceiveFlags(0)  # RX-24
        ordered = sorted(groups, key=lambda group: (group == rest, group))
        return [
            (common | ReceiveFlags.SINGLE_QUEUE if group in per_queue else common, groups[group]) for group in ordered
        ]

    def _indicate(self, flags: ReceiveFlags, nbls: list[ReceivedNbl]) -> list[IndicationCall]:
        """One call, and one more with RESOURCES for what exceeds the receive buffers (RX-25)."""
        limit = self._control.specification.receive_buffers
        free = len(nbls) if limit is None else max(limit - self._outstanding_count, 0)
        calls = []
        if owned := nbls[:free]:
            for nbl in owned:
                nbl.receive_flags, nbl.kept = flags, nbl.keep
                if nbl.keep:
                    self._outstanding.setdefault(nbl.label, []).append(nbl)
                    self._outstanding_count += 1
                    self.outstanding_by_target[nbl.target_id] += 1
            calls.append(IndicationCall(flags, tuple(owned)))
        if lent := nbls[free:]:
            for nbl in lent:
                nbl.receive_flags = flags | ReceiveFlags.RESOURCES
            calls.append(IndicationCall(flags | ReceiveFlags.RESOURCES, tuple(lent)))
        self.indicated += len(nbls)
        return calls

    def _completion_flags(self, completions: Sequence[SentNbl]) -> SendCompleteFlags:
        one_queue = len({sent.target_id for sent in completions}) == 1
        on_queues = self._control.state.mode is Mode.VMQ
        return SendCompleteFlags.SINGLE_QUEUE if on_queues and one_queue else SendCompleteFlags(0)

    # Returning

    def is_outstanding(self, label: str) -> bool:
        """Whether a client owes an NBL with that label."""
        return label in self._outstanding

    def return_nbls(self, labels: Sequence[str]) -> tuple[list[int], int]:
        """Take NBLs back, in any grouping and order (RX-26).

        Returns the queues or VPorts of which nothing is outstanding any more, and of how many the call had NBLs.
        """
        returned = []
        for label in labels:
            nbls = self._outstanding[label]
            returned.append(nbls.pop(0).target_id)
            if not nbls:
                del self._outstanding[label]
        self._outstanding_count -= len(returned)
        self.outstanding_by_target.subtract(returned)
        settled = sorted({target_id for target_id in returned if not self.outstanding_by_target[target_id]})
        for target_id in settled:
            del self.outstanding_by_target[target_id]
        return settled, len({self._existing(target_id) for target_id in returned})

    def _existing(self, target_id: int) -> int:
        """A queue (VPort) that no longer exists counts as the default one (RX-27)."""
        state = self._control.state
        return target_id if target_id in state.queues or target_id in state.vports else DEFAULT_QUEUE_ID

    # Sending

    def send(self, nbls: Iterable[Send]) -> tuple[list[SentNbl], list[ProcessorNumber]]:
        """One send call: transmit every NBL in order, or queue it while the hardware is held.

        Returns what became of each, and the processors whose interrupt was raised; running DPCs is the caller's.
        """
        sent: list[SentNbl] = []
        interrupts: list[ProcessorNumber] = []
        for nbl in nbls:
            one = self._accepted(nbl)
            sent.append(one)
            if one.processor is None:
                one.completed = True
            elif one.status is not NdisStatus.NDIS_STATUS_SUCCESS:
                interrupts += self._complete(one)
            elif self._transmit_held:
                one.queued = True
                self._queued_sends.append(one)
            else:
                interrupts += self._transmit(one)
        return sent, interrupts

    def hold_transmit(self) -> None:
        """The transmit hardware accepts sends but does not transmit or complete them."""
        self._transmit_held = True

    def release_transmit(self) -> tuple[list[SentNbl], list[ProcessorNumber]]:
        """Transmit everything that was queued, in submission order; as `send`."""
        self._transmit_held = False
        queued, self._queued_sends = self._queued_sends, []
        interrupts: list[ProcessorNumber] = []
        for one in queued:
            interrupts += self._transmit(one)
        return queued, interrupts

    def _accepted(self, nbl: Send) -> SentNbl:
        """Account an NBL and fix the processor of its completion (TX-01 to TX-10)."""
        state = self._control.state
        target_id, processor, status, rss, table = self._sender(nbl.target_id)
        entry = None
        running = state.condition is Condition.RUNNING
        if not running:
            status = NdisStatus.NDIS_STATUS_PAUSED
        elif status is NdisStatus.NDIS_STATUS_SUCCESS and rss.enabled:
            if nbl.hash_info & NDIS_HASH_FUNCTION_MASK:  # present, whatever the value (TX-04)
                entry = nbl.hash_value & (len(table) - 1)
                processor = table[entry]
            else:
                assert rss.default_processor is not None
                processor = rss.default_processor
        self._submitted += 1
        return SentNbl(
            label=nbl.label,
            number=self._submitted - 1,
            net_buffers=nbl.net_buffers,
            ieee8021q=nbl.ieee8021q,
            keep=nbl.keep,
            on_switch=state.mode is Mode.SWITCH,
            target_id=target_id,
            processor=processor if running else None,
            entry=entry,
            status=status,
        )

    def _sender(self, target_id: int) -> tuple[int, ProcessorNumber, NdisStatus, RssState, tuple[ProcessorNumber, ...]]:
        """What sends: its id, its processor without RSS, whether it may, its RSS, the table in use."""
        state, configuration = self._control.state, self._control.configuration
        success = NdisStatus.NDIS_STATUS_SUCCESS
        if state.mode is not Mode.SWITCH:
            queue = state.queues.get(target_id)
            if queue is not None:
                return target_id, queue.processor, success, RssState(), ()
            rss = configuration.native_rss if state.mode is Mode.NEUTRAL else RssState()
            return DEFAULT_QUEUE_ID, configuration.rss_base_processor, success, rss, configuration.native_table_in_use
        if target_id not in state.vports:  # deleted, for example (TX-06)
            target_id = DEFAULT_VPORT_ID
        vport = state.vports[target_id]
        may_send = vport.activated and (target_id == DEFAULT_VPORT_ID or bool(state.filters_on(target_id)))
        status = success if may_send else NdisStatus.NDIS_STATUS_INVALID_PORT_STATE
        return target_id, vport.primary_processor, status, vport.rss, vport.rss.indirection_table

    def _transmit(self, sent: SentNbl) -> list[ProcessorNumber]:
        """Put every NET_BUFFER on the wire or into the queue of another VPort, then queue the completion (VPT-32)."""
        interrupts: list[ProcessorNumber] = []
        sent.queued = False
        if self._control.state.condition is not Condition.RUNNING:
            sent.status = NdisStatus.NDIS_STATUS_PAUSED
            return self._complete(sent)
        for number, net_buffer in enumerate(sent.net_buffers, 1):
            frame = _with_tag(net_buffer, sent.ieee8021q) if sent.ieee8021q else net_buffer
            receiver = self._receiver(sent.target_id, frame)
            if receiver is None:
                sent.wire.append(frame)
                continue
            label = f"{sent.label}/rx{number if number > 1 else ''}"
            arrival = self._place(label, frame, receiver, keep=sent.keep)
            sent.received.append(arrival)
            interrupts += arrival.interrupts
        return interrupts + self._complete(sent)

    def _complete(self, sent: SentNbl) -> list[ProcessorNumber]:
        """Queue the completion for the DPC of its processor."""
        assert sent.processor is not None
        work, raised = self._work_of(sent.processor)
        work.completions.append(sent)
        return list(raised)

    def _receiver(self, sender: int, frame: bytes) -> SteeredFrame | None:
        """How another VPort receives a transmitted frame, None when none of its filters match (VPT-31, VPT-32)."""
        if self._control.state.mode is not Mode.SWITCH:
            return None
        steered = self._current_steering().steer(frame, len(frame))
        if steered.filter_id != NO_FILTER_ID and steered.target_id == sender:
            # the sender's own filters do not count; one of another VPort behind them may
            steered = self._steering_without(sender).steer(frame, len(frame))
        return None if steered.filter_id == NO_FILTER_ID or steered.target_id == sender else steered

    def _steering_without(self, sender: int) -> FrameSteering:
        if sender not in self._without_sender:
            configuration = self._control.configuration
            others = tuple(one for one in configuration.filters if one.target_id != sender)
            self._without_sender[sender] = self._make_steering(replace(configuration, filters=others), -1)
        return self._without_sender[sender]


def _concerns(discard: Discard, nbl: ReceivedNbl) -> bool:
    """Whether a discard is for an NBL; the default VPort has the number of the default queue, which stays (QUE-01)."""
    return nbl.target_id == discard.target_id and (nbl.on_switch or discard.reason != VPORT_DELETED)


def _without_tag(frame: bytes) -> bytes:
    """The frame without the tag behind its source address (RX-09, RX-11)."""
    return frame[:_MAC_ADDRESSES_BYTES] + frame[_MAC_ADDRESSES_BYTES + _TAG_BYTES :]


def _with_tag(frame: bytes, ieee8021q: int) -> bytes:
    """The frame with a tag behind its source address (TX-13)."""
    tag = _TPID + Ieee8021Q.unpack(ieee8021q).tci.to_bytes(2, "big")
    return frame[:_MAC_ADDRESSES_BYTES] + tag + frame[_MAC_ADDRESSES_BYTES:]
