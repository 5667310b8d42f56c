"""A running script: the adapter it has made, and one method for each kind of step.

Every method reads its whole line before it changes anything, so that a malformed line changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dataplane.control import AdapterRefused, Completion, Condition, ControlPlane, FailureMoment, InjectedFailure
from dataplane.ids import ProcessorNumber
from dataplane.ndis.constants import ReturnFlags, SendFlags
from dataplane.ndis.status import NdisStatus
from dataplane.ndis.values import (
    MalformedValue,
    format_processors,
    parse_flags,
    parse_list,
)
from dataplane.oracle import render
from dataplane.oracle.checks import check
from dataplane.oracle.datapath import DataPath
from dataplane.oracle.frames import FRAME_MEMBERS, ArrivingFrame, distinct, parse_frame, parse_sends
from dataplane.oracle.inspection import inspect
from dataplane.oracle.labels import LabelSet
from dataplane.oracle.lines import COMMON_MEMBERS, check_members, parse_text, required, step_key
from dataplane.oracle.nbls import Arrival
from dataplane.oracle.oid_step import MEMBERS as OID_MEMBERS
from dataplane.oracle.oid_step import OidStep, parse_oid, parse_oid_step, render_completion
from dataplane.oracle.specification import PROTOCOL, parse_adapter, parse_real_processors
from dataplane.oracle.steering import FrameSteering, KernelSteering, OneFrameColumns
from dataplane.switch.configuration import AdapterConfiguration

Json = dict[str, Any]
Step = Mapping[str, Any]

_WITH_LABELS = ("oid", "frame", "send")
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "oid": OID_MEMBERS,
    "frame": FRAME_MEMBERS,
    "send": ("send", "flags", "issuer"),
    "return": ("return", "flags"),
}


class Adapter:
    """One model adapter with everything that is on it."""

    def __init__(self, control: ControlPlane, data_path: DataPath) -> None:
        self.control = control
        self.data_path = data_path
        self.labels = LabelSet()


class Session:
    """Runs steps in order; `run` gives the result of one line."""

    def __init__(self) -> None:
        self._adapter: Adapter | None = None
        self._columns = OneFrameColumns()
        self._steps: Mapping[str, Callable[[Step, str], Json]] = {
            "adapter": self._make_adapter,
            "oid": self._oid,
            "frame": self._frame,
            "send": self._send,
            "hold_dpc": self._hold_dpc,
            "run_dpc": self._run_dpc,
            "release_dpc": self._release_dpc,
            "hold_tx": self._hold_tx,
            "release_tx": self._release_tx,
            "return": self._return,
            "close": self._close,
            "fault": self._fault,
            "inspect": self._inspect,
            "check": self._check,
        }

    def run(self, number: int, step: Step) -> Json:
        """Run the step of line `number`; raises MalformedValue, and nothing has changed then."""
        key = step_key(step)
        if key != "check":
            check_members(step, (*_MEMBERS.get(key, (key,)), *COMMON_MEMBERS), f"a step {key}")
        label = parse_text(step.get("label", f"#{number}"), "label")
        result: Json = {"line": number, "step": key}
        if key in _WITH_LABELS:
            result["label"] = label
        result["events"] = []  # the place where readers look for it; replaced when there are any
        result |= self._steps[key](step, label)
        if self._adapter is not None:
            self._adapter.data_path.check_conservation()
        return result

    @property
    def _present(self) -> Adapter:
        if self._adapter is None:
            raise MalformedValue("there is no adapter: an adapter step comes first")
        return self._adapter

    # The adapter

    def _make_adapter(self, step: Step, _label: str) -> Json:
        specification = parse_adapter(step["adapter"])
        try:
            control = ControlPlane(specification)
        except AdapterRefused as refused:
            self._adapter = None
            return {"adapter": "refused", "rules": refused.rules}
        except ValueError as error:
            raise MalformedValue(str(error)) from None
        self._adapter = Adapter(control, DataPath(control, self._steering))
        return {
            "adapter": "ready",
            "protocol": PROTOCOL,
            "mode": control.state.mode.value,
            "interface": [one.value for one in control.capabilities.interfaces],
            "rss_processors": format_processors(specification.rss_processors),
        }

    def _steering(self, configuration: AdapterConfiguration, epoch: int) -> FrameSteering:
        return KernelSteering(configuration, epoch, self._columns)

    def _take_labels(self, labels: Sequence[str]) -> None:
        """Register the labels of a line that is otherwise well-formed."""
        distinct(labels)
        known = self._present.labels
        for label in labels:
            if label in known:
                raise MalformedValue(f"label {label!r} has been used")
        for label in labels:
            known.add(label)

    # Requests

    def _oid(self, step: Step, label: str) -> Json:
        adapter = self._present
        request = parse_oid_step(step, label, adapter.control.specification.ndis_version)
        self._take_labels([label, *(frame.label for frame in request.during or ())])
        completion, arrivals, events = self._complete(adapter, request)
        result = render_completion(request, completion)
        if request.during is not None:
            result["during"] = [render.arrival(arrival) for arrival in arrivals]
        return result | {"events": events}

    def _complete(self, adapter: Adapter, step: OidStep) -> tuple[Completion, list[Arrival], list[Json]]:
        """Decide and apply a request; its `during` frames arrive when the hardware has been programmed (QUE-07)."""
        control, data_path = adapter.control, adapter.data_path
        decision = control.decide(step.request, data_path.outstanding_by_target)
        arrivals: list[Arrival] = []
        if decision.programmed is not None and step.during:
            filters_before = control.state.filters
            control.apply(decision.programmed)
            arrivals = self._arrive(data_path, step.during)
            new = control.state.filters.keys() - filters_before.keys()
            if any(one.nbl and one.nbl.receive_flags is not None and one.nbl.filter_id in new for one in arrivals):
                return decision.programmed.completion, arrivals, []  # indicated because of it: it must succeed
            targets = {control.state.filters[filter_id].steering.target_id for filter_id in new}
            control.apply(decision)
            return decision.completion, arrivals, render.dropped(data_path.discard(control.discards_of(targets)))
        completion = control.apply(decision)
        events = render.dropped(data_path.discard(completion.discards)) + render.events(completion.events)
        if step.during:
            arrivals = self._arrive(data_path, step.during)
        return completion, arrivals, events

    def _arrive(self, data_path: DataPath, frames: Iterable[ArrivingFrame]) -> list[Arrival]:
        """Frames arrive one after the other, each with its DPC."""
        arrivals = []
        for frame in frames:
            arrivals.append(data_path.receive(frame.label, frame.data, frame.wire_length, keep=frame.keep))
            data_path.run_free_dpcs()
        return arrivals

    # The data path

    def _frame(self, step: Step, label: str) -> Json:
        adapter = self._present
        frame = parse_frame(step, label)
        self._take_labels([label])
        (arrival,) = self._arrive(adapter.data_path, [frame])
        return render.arrival(arrival)

    def _send(self, step: Step, label: str) -> Json:
        adapter = self._present
        sends = parse_sends(step["send"], label)
        parse_flags(SendFlags, step.get("flags", []))
        parse_text(step.get("issuer", "A"), "issuer")
        labels = [send.label for send in sends]
        self._take_labels(labels if label in labels else [label, *labels])
        sent, interrupts = adapter.data_path.send(sends)
        runs = adapter.data_path.run_free_dpcs()
        return {
            "sends": render.sends(sent),
            "dpcs": render.dpc_runs(runs),
            "interrupts": format_processors(interrupts),
        }

    def _hold_dpc(self, step: Step, _label: str) -> Json:
        adapter = self._present
        adapter.data_path.hold_dpc(_processors(step["hold_dpc"]))
        return {}

    def _run_dpc(self, step: Step, _label: str) -> Json:
        adapter = self._present
        runs = adapter.data_path.run_dpcs(_processors(step["run_dpc"]))
        return {"dpcs": render.dpc_runs(runs), "interrupts": []}

    def _release_dpc(self, step: Step, _label: str) -> Json:
        adapter = self._present
        processors = _processors(step["release_dpc"])
        adapter.data_path.release_dpc(processors)
        return {"dpcs": render.dpc_runs(adapter.data_path.run_dpcs(processors)), "interrupts": []}

    def _hold_tx(self, step: Step, _label: str) -> Json:
        adapter = self._present
        _check_true(step, "hold_tx")
        adapter.data_path.hold_transmit()
        return {}

    def _release_tx(self, step: Step, _label: str) -> Json:
        adapter = self._present
        _check_true(step, "release_tx")
        sent, interrupts = adapter.data_path.release_transmit()
        runs = adapter.data_path.run_free_dpcs()
        return {
            "sends": render.sends(sent),
            "dpcs": render.dpc_runs(runs),
            "interrupts": format_processors(interrupts),
        }

    def _return(self, step: Step, _label: str) -> Json:
        adapter = self._present
        labels = [parse_text(one, "return") for one in parse_list(step["return"])]
        distinct(labels)
        flags = parse_flags(ReturnFlags, step.get("flags", []))
        for label in labels:
            if not adapter.data_path.is_outstanding(label):
                raise MalformedValue(f"no NBL {label!r} is outstanding")
        settled, targets = adapter.data_path.return_nbls(labels)
        events = [event for target_id in settled for event in adapter.control.packets_returned(target_id)]
        violations = ["RX-26"] if flags & ReturnFlags.SINGLE_QUEUE and targets > 1 else []
        return {"returned": labels, "violations": violations, "events": render.events(events)}

    # Clients and faults

    def _close(self, step: Step, _label: str) -> Json:
        adapter = self._present
        client = parse_text(step["close"], "close")
        closed = adapter.control.close(client, adapter.data_path.outstanding_by_target)
        dropped = adapter.data_path.discard(closed.discards)
        return {
            "cleaned": {
                "filters": list(closed.filters),
                "queues": list(closed.queues),
                "vports": list(closed.vports),
            },
            "violations": closed.violations,
            "events": render.dropped(dropped) + render.events(closed.events),
        }

    def _fault(self, step: Step, _label: str) -> Json:
        adapter, fault = self._present, step["fault"]
        if isinstance(fault, dict):
            adapter.control.inject(_parse_failure(fault))
            return {}
        control = adapter.control
        faults: dict[object, Callable[[], object]] = {
            "pause": control.pause,
            "restart": control.restart,
            "reset_begin": control.reset_begin,
            "reset_end": control.reset_end,
            "surprise_removal": control.surprise_removal,
        }
        if not isinstance(fault, str) or fault not in faults:
            raise MalformedValue(f"fault {fault!r} is not one of {', '.join(map(str, faults))} or a failing request")
        aborted = faults[fault]() or ()
        dropped = [] if control.state.condition is Condition.RUNNING else adapter.data_path.stop()
        return {"events": render.dropped(dropped) + render.events(aborted)}  # type: ignore[arg-type]

    # Looking

    def _inspect(self, step: Step, _label: str) -> Json:
        adapter = self._present
        return inspect(step["inspect"], adapter.control, adapter.data_path)

    def _check(self, step: Step, _label: str) -> Json:
        return check(step)


def _processors(value: Any) -> tuple[ProcessorNumber, ...] | None:
    """A list of processors, or None for "all"."""
    return None if value == "all" else parse_real_processors(value)


def _check_true(step: Step, name: str) -> None:
    if step[name] is not True:
        raise MalformedValue(f"{name} is true")


def _parse_failure(value: Any) -> InjectedFailure:
    members = check_members(value, ("fail", "status", "when"), "fault")
    oid = parse_oid(required(members, "fail", "fault"))
    status = parse_text(members.get("status", NdisStatus.NDIS_STATUS_RESOURCES.name), "status")
    if status not in NdisStatus.__members__:
        raise MalformedValue(f"{status!r} is not a status")
    if NdisStatus[status] in (NdisStatus.NDIS_STATUS_SUCCESS, NdisStatus.NDIS_STATUS_PENDING):
        raise MalformedValue(f"a request does not fail with {status}")
    when = parse_text(members.get("when", FailureMoment.START.value), "when")
    if when not in (FailureMoment.START.value, FailureMoment.END.value):
        raise MalformedValue(f'when is "start" or "end", not {when!r}')
    return InjectedFailure(oid, NdisStatus[status], FailureMoment(when))
