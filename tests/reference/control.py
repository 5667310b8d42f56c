"""A second, slow implementation of the whole adapter: it takes oracle steps and says what their results must contain.

`ReferenceAdapter.step` takes the object of one script line and returns the members of its result that the rules and the
protocol fix, as a subset expectation (see `tests/scenarios/compare.py`; `{}` stands for a value that is left open). It
works on structured requests, not on bytes, with plain lists, dicts and loops, written from the rules and sharing
nothing with the dataplane; only the frame parser and the hash are those of `tests/reference/steering.py`.

If neither rules nor protocol say what a step does, `step` raises `OpenError`, and the adapter does not change: such a
step must not be compared. If several rules refuse a request, and the precedence does not order their statuses, the
result has the status `{}`: the request must fail, with any status.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.reference import control_filters, control_queues, control_rss, control_switch, control_traffic
from tests.reference.adapter_spec import VERSIONS, interface, resolve, violated_rules
from tests.reference.control_names import (
    CACHED,
    INVALID_LENGTH,
    INVALID_PARAMETER,
    KINDS,
    NEEDS_SWITCH,
    NOT_ACCEPTED,
    NOT_SUPPORTED,
    PENDING,
    REQUEST_ABORTED,
    RESOURCES,
    STRUCTURES,
    SUCCESS,
    SYNCHRONOUS,
)
from tests.reference.control_state import (
    ANYTHING,
    Decision,
    Level,
    OpenError,
    Processor,
    Request,
    State,
    outcome,
    processor_in,
)

Handler = Callable[[dict[str, Any], State, Request], Decision]

HANDLERS: dict[tuple[str, str], Handler] = {
    ("OID_RECEIVE_FILTER_ALLOCATE_QUEUE", "method"): control_queues.allocate_queue,
    ("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", "set"): control_queues.change_queue,
    ("OID_RECEIVE_FILTER_QUEUE_PARAMETERS", "method"): control_queues.query_queue,
    ("OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", "method"): control_queues.complete_allocation,
    ("OID_RECEIVE_FILTER_FREE_QUEUE", "set"): control_queues.free_queue,
    ("OID_RECEIVE_FILTER_ENUM_QUEUES", "query"): control_queues.enumerate_queues,
    ("OID_RECEIVE_FILTER_SET_FILTER", "method"): control_filters.set_filter,
    ("OID_RECEIVE_FILTER_PARAMETERS", "method"): control_filters.query_filter,
    ("OID_RECEIVE_FILTER_CLEAR_FILTER", "set"): control_filters.clear_filter,
    ("OID_RECEIVE_FILTER_MOVE_FILTER", "set"): control_filters.move_filter,
    ("OID_RECEIVE_FILTER_ENUM_FILTERS", "method"): control_filters.enumerate_filters,
    ("OID_NIC_SWITCH_CREATE_SWITCH", "method"): control_switch.create_switch,
    ("OID_NIC_SWITCH_PARAMETERS", "set"): control_switch.change_switch,
    ("OID_NIC_SWITCH_PARAMETERS", "method"): control_switch.query_switch,
    ("OID_NIC_SWITCH_DELETE_SWITCH", "set"): control_switch.delete_switch,
    ("OID_NIC_SWITCH_ENUM_SWITCHES", "query"): control_switch.enumerate_switches,
    ("OID_NIC_SWITCH_CREATE_VPORT", "method"): control_switch.create_vport,
    ("OID_NIC_SWITCH_VPORT_PARAMETERS", "set"): control_switch.change_vport,
    ("OID_NIC_SWITCH_VPORT_PARAMETERS", "method"): control_switch.query_vport,
    ("OID_NIC_SWITCH_DELETE_VPORT", "set"): control_switch.delete_vport,
    ("OID_NIC_SWITCH_ENUM_VPORTS", "method"): control_switch.enumerate_vports,
    ("OID_NIC_SWITCH_ALLOCATE_VF", "method"): control_switch.allocate_vf,
    ("OID_NIC_SWITCH_FREE_VF", "set"): control_switch.free_vf,
    ("OID_GEN_RECEIVE_SCALE_PARAMETERS", "set"): control_rss.set_rss,
    ("OID_GEN_RECEIVE_SCALE_PARAMETERS", "query"): control_rss.query_rss,
    ("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", "set"): control_rss.set_rss_v2,
    ("OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", "query"): control_rss.query_rss_v2,
    (SYNCHRONOUS, "method"): control_rss.move_entries,
    ("OID_GEN_RECEIVE_HASH", "set"): control_rss.set_receive_hash,
}

CLEAR_FILTER = "OID_RECEIVE_FILTER_CLEAR_FILTER"
FREE_QUEUE, DELETE_VPORT = "OID_RECEIVE_FILTER_FREE_QUEUE", "OID_NIC_SWITCH_DELETE_VPORT"

#: Members of an `in` object that lie about the layout; of RSS parameters the sizes are understood.
OVERRIDES = {
    "field_parameters_array_offset",
    "field_parameters_array_num_elements",
    "field_parameters_array_element_size",
    "first_element_offset",
    "num_elements",
    "element_size",
    "indirection_table_offset",
    "hash_secret_key_offset",
    "processor_masks_offset",
    "number_of_processor_masks",
    "processor_masks_entry_size",
    "rss_entry_size",
    "rss_entry_table_offset",
    "number_of_rss_entries",
}


class ReferenceAdapter:
    """An adapter as the `adapter` step describes it."""

    def __init__(self, adapter: dict[str, Any]) -> None:
        #: What never changes: the adapter step with its presets unfolded.
        self.spec = resolve(adapter)
        #: Capability rules broken: such an adapter is refused, and nothing else can be asked of it (CAP-36).
        self.refused_for = violated_rules(self.spec)
        self.state = State(
            packet_filter=set(self.spec["packet_filter"]),
            multicast_list=list(self.spec["multicast_list"]),
            receive_buffers=self.spec["receive_buffers"],
        )
        switch = self.spec["switch"]
        if switch is not None and switch.get("static", False):
            self.state.static_switch = switch
        elif switch is not None and not self.refused_for:
            control_switch.build_switch(self.spec, self.state, switch)

    def adapter_result(self) -> dict[str, Any]:
        """The result of the adapter step itself."""
        if self.refused_for:
            return {"adapter": "refused", "rules": self.refused_for}
        enabled = interface(self.spec["keywords"])
        return {"adapter": "ready", "protocol": 1, "mode": self.state.mode, "interface": enabled}

    def step(self, step: dict[str, Any], label: str = "") -> dict[str, Any]:
        """The result of a step (except `adapter` and `check`), without open values.

        `label` is the step's default label. Raises OpenError, with nothing changed, when nothing says what it does.
        """
        before = copy.deepcopy(self.state)
        try:
            return self._step(step, step.get("label", label))
        except OpenError:
            self.state = before
            raise

    def _step(self, step: dict[str, Any], label: str) -> dict[str, Any]:
        if "oid" in step:
            return self._oid_step(step, label)
        if "frame" in step:
            return control_traffic.frame_step(self.spec, self.state, step, label)
        if "send" in step:
            return control_traffic.send_step(self.spec, self.state, step, label)
        if "return" in step:
            return self._return_step(step)
        if "close" in step:
            return self._close_step(step["close"])
        if "fault" in step:
            return self._fault_step(step["fault"])
        if "inspect" in step:
            return self.inspect(step["inspect"])
        return self._hold_step(step)

    # --- requests -----------------------------------------------------------------------------------------------------

    def request(
        self,
        oid: str,
        kind: str | None = None,
        issuer: str = "A",
        vport_id: int | None = None,
        processor: Any = 0,
        sync: bool | None = None,
        in_: dict[str, Any] | None = None,
    ) -> tuple[Any, bool | None, Any]:
        """One OID request: status (`{}` = some failure), whether the miniport is reached (None = open), `out`."""
        step: dict[str, Any] = {"oid": oid, "issuer": issuer, "processor": processor}
        optional = {"kind": kind, "vport_id": vport_id, "sync": sync, "in": in_}
        step.update({name: value for name, value in optional.items() if value is not None})
        result = self.step(step)
        return result["status"], result.get("reached_miniport"), result.get("out")

    def _oid_step(self, step: dict[str, Any], label: str) -> dict[str, Any]:
        oid = step["oid"]
        kinds = KINDS.get(oid, ())
        kind = step.get("kind", "set" if "set" in kinds and "in" in step else next(iter(kinds), "query"))
        sync = step.get("sync", oid == SYNCHRONOUS)
        if kind not in kinds or sync is not (oid == SYNCHRONOUS):  # OID-01, OID-18
            return outcome(NOT_SUPPORTED, False if kind not in kinds else None, None)
        decision = self._unavailable(oid, step)
        request, form = self._read(step, label, oid, kind)
        if self.state.run_state in ("resetting", "removed"):
            if decision.refusals or form.refusals:
                raise OpenError("requests during a reset or after removal")
            return self._not_running(request)
        if not decision.refusals:
            if self.state.aborted and "RECEIVE_FILTER" in oid and self._names_an_aborted_queue(request):
                raise OpenError("the state of a queue whose freeing was aborted")
            handler = HANDLERS.get((oid, kind))
            if handler is None:
                return self._simple(request)
            decision = handler(self.spec, self.state, request)
        if form.refusals:
            decision.refused_by_ndis = False
        decision.refusals += form.refusals
        during = step.get("during", [])
        return self._conclude(request, decision, form.bytes_needed, during)

    def _names_an_aborted_queue(self, request: Request) -> bool:
        """Whether a request may concern a queue whose freeing was aborted."""
        aborted = [queue.queue_id for queue in self.state.queues.values() if queue.freeing in self.state.aborted]
        return bool(aborted) and request.members.get("queue_id", aborted[0]) in aborted

    def _unavailable(self, oid: str, step: dict[str, Any]) -> Decision:
        """Version, feature and mode (ERR-03, ERR-04)."""
        decision = Decision()
        version = VERSIONS[self.spec["ndis_version"]]
        is_switch_oid = "NIC_SWITCH" in oid or oid == "OID_RECEIVE_FILTER_MOVE_FILTER"
        decision.refuse(Level.FEATURE, NOT_SUPPORTED, "RECEIVE_FILTER" in oid and version < (6, 20))
        decision.refuse(Level.FEATURE, NOT_SUPPORTED, is_switch_oid and version < (6, 30))
        no_interface = self.spec["nic_switch_capabilities"] is None
        decision.refuse(Level.FEATURE, NOT_SUPPORTED, is_switch_oid and no_interface)
        decision.refuse(Level.FEATURE, NOT_SUPPORTED, oid in NEEDS_SWITCH and not self.state.has_switch)
        if "RECEIVE_FILTER" in oid and self.spec["receive_filter_capabilities"] is None and not decision.refusals:
            raise OpenError("VMQ requests to an adapter that advertises no VMQ")
        return decision

    def _read(self, step: dict[str, Any], label: str, oid: str, kind: str) -> tuple[Request, Decision]:
        """The request, and what is wrong with the form of its buffer (OID-09, OID-10)."""
        members = step.get("in", {})
        if "in_hex" in step or OVERRIDES & set(members):
            raise OpenError("the reference works on structures, not on bytes")
        form = Decision()
        revision = 1
        structure = STRUCTURES.get(oid)
        length = step.get("buffer_length")
        if structure is not None and kind != "query":
            version = VERSIONS[self.spec["ndis_version"]]
            newest = sum(since <= version for since in structure.since)
            header = members.get("header", {})
            stated = header.get("revision", newest)
            revision = min(stated, len(structure.sizes))
            fixed = structure.sizes[revision - 1]  # revision 0 is written as the highest known one, too
            size = header.get("size", fixed)
            bad = header.get("type", structure.type) != structure.type or stated == 0 or size < fixed
            form.refuse(Level.HEADER, INVALID_PARAMETER, bad)
            if members.get("field_parameters"):
                fixed = (fixed + 7) // 8 * 8 + 56 * len(members["field_parameters"])
            if length is not None and length < fixed:
                form.refuse(Level.LENGTH, INVALID_LENGTH)
                form.bytes_needed = fixed
        elif length is not None:
            raise OpenError("the reference knows no lengths of this structure")
        return (
            Request(
                oid,
                kind,
                step.get("issuer", "NDIS" if oid.endswith(("CREATE_SWITCH", "DELETE_SWITCH")) else "A"),
                step.get("vport_id"),
                processor_in(step.get("processor", 0)),
                members,
                label,
                length,
                revision,
            ),
            form,
        )

    def _conclude(
        self, request: Request, decision: Decision, bytes_needed: int | None, during: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Refuse the request, let an injected fault fail it, or carry it out."""
        cached = (request.oid, request.kind) in CACHED
        armed = not cached and self._armed(request.oid)
        status = decision.status()
        if status is not None:
            if armed and not decision.refused_by_ndis:
                raise OpenError("whether a refused request reaches the miniport and uses up the fault")
            result = outcome(status, False if cached or decision.refused_by_ndis else None, None)
            if status == ANYTHING:
                del result["out"]
            if status == INVALID_LENGTH and bytes_needed is not None:
                result["bytes_needed"] = bytes_needed
            if during:
                result["during"] = [self._during(frame) for frame in during]
            return result
        if armed:
            return self._fail(request, decision, during)
        if during:
            out = decision.apply()
            results = [self._during(frame) for frame in during]
            return {**outcome(SUCCESS, True, out), "during": results}
        before = self._targets_with_filters()
        out = decision.apply()
        reached = None if (request.oid, request.kind) not in HANDLERS else not cached
        if request.oid.endswith("V2") and request.kind == "query":
            reached = None
        result = outcome(SUCCESS, reached, out)
        return self._consequences(request, result, before)

    def _armed(self, oid: str) -> bool:
        return any(fault["fail"] == oid for fault in self.state.faults)

    def _during(self, frame: dict[str, Any]) -> dict[str, Any]:
        return control_traffic.frame_step(self.spec, self.state, frame, frame["label"])

    def _fail(self, request: Request, decision: Decision, during: list[dict[str, Any]]) -> dict[str, Any]:
        """An injected fault: nothing happens, unless SET_FILTER has indicated a frame already (QUE-07)."""
        fault = next(fault for fault in self.state.faults if fault["fail"] == request.oid)
        self.state.faults.remove(fault)
        status = fault.get("status", RESOURCES)
        if not during:
            return outcome(status, True, None)
        if fault.get("when", "start") == "start":
            return {**outcome(status, True, None), "during": [self._during(frame) for frame in during]}
        without = copy.deepcopy(self.state)
        out = decision.apply()
        new_filter = out["filter_id"]
        results = [self._during(frame) for frame in during]
        if any(result["result"] == "held" for result in results):
            raise OpenError("a frame held in a queue whose SET_FILTER then fails")
        target = self.state.filters[new_filter].target
        # A frame is indicated because of the filter if it would not have gone to its target without it.
        with_filter = self.state
        self.state = without
        plain = [self._during(frame) for frame in during]
        name = control_traffic.target_name(self.state)
        because = [new.get(name) == target and old.get(name) != target for new, old in zip(results, plain, strict=True)]
        if any(because):
            self.state = with_filter
            return {**outcome(SUCCESS, True, out), "during": results}
        if any(result.get(name) == target for result in results):
            raise OpenError("whether a frame that would have come anyway is indicated because of the filter")
        return {**outcome(status, True, None), "during": plain}

    def _targets_with_filters(self) -> set[int]:
        return {entry.target for entry in self.state.filters.values()}

    def _consequences(self, request: Request, result: dict[str, Any], before: set[int]) -> dict[str, Any]:
        """The effects of a successful request: frames discarded, status indicated, completion postponed."""
        state = self.state
        if request.oid == CLEAR_FILTER:
            for target in before - self._targets_with_filters() - {0}:
                result["events"] = {"any_order": control_traffic.discard(state, target, "queue cleared")}
        elif request.oid == FREE_QUEUE:
            queue_id = request.members["queue_id"]
            buffer = {"queue_id": queue_id, "queue_state": "DmaStopped"}
            indication = {
                "event": "status_indication",
                "status": "NDIS_STATUS_RECEIVE_QUEUE_STATE",
                "buffer": buffer,
            }
            if queue_id in state.outstanding.values():
                result.update(outcome(PENDING, True, None))
            else:
                del state.queues[queue_id]
            result["events"] = [indication]
        elif request.oid == DELETE_VPORT:
            vport_id = request.members["vport_id"]
            dropped = control_traffic.discard(state, vport_id, "vport deleted")
            if vport_id in state.outstanding.values():
                result.update(outcome(PENDING, True, None))
            else:
                del state.vports[vport_id]
            result["events"] = {"any_order": dropped}
        return result

    def _not_running(self, request: Request) -> dict[str, Any]:
        """OID-15; everything else is open while resetting or removed."""
        refused = {"resetting": (FREE_QUEUE, "OID_NIC_SWITCH_DELETE_SWITCH"), "removed": (CLEAR_FILTER,)}
        if request.oid not in refused[self.state.run_state] or self._armed(request.oid):
            raise OpenError("requests during a reset or after removal")
        if HANDLERS[request.oid, request.kind](self.spec, self.state, request).refusals:
            raise OpenError("whether NDIS refuses it before the miniport does not accept it")
        return outcome(NOT_ACCEPTED, None, None)

    def _simple(self, request: Request) -> dict[str, Any]:
        """Requests that only read or write one value."""
        state, members = self.state, request.members
        if self._armed(request.oid):
            raise OpenError("whether this request reaches the miniport")
        if request.oid == "OID_GEN_CURRENT_PACKET_FILTER" and request.kind == "set":
            state.packet_filter = set(members["packet_filter"])
            return outcome(SUCCESS, None, None)
        if request.oid == "OID_802_3_MULTICAST_LIST" and request.kind == "set":
            state.multicast_list = list(members["addresses"])
            return outcome(SUCCESS, None, None)
        values: dict[str, Any] = {
            "OID_GEN_CURRENT_PACKET_FILTER": {"packet_filter": {"any_order": sorted(state.packet_filter)}},
            "OID_802_3_MULTICAST_LIST": {"addresses": state.multicast_list},
            "OID_802_3_CURRENT_ADDRESS": {"address": self.spec["permanent_address"]},
        }
        if request.oid not in values:
            raise OpenError("the reference does not answer this query")
        return outcome(SUCCESS, None, values[request.oid])

    # --- the other steps ----------------------------------------------------------------------------------------------

    def _return_step(self, step: dict[str, Any]) -> dict[str, Any]:
        """A client returns NBLs; requests that waited for them complete (QUE-24, VPT-27)."""
        state = self.state
        labels = step["return"]
        if any(label not in state.outstanding for label in labels):
            raise OpenError("a malformed line: an NBL that is not outstanding")
        targets = {state.outstanding[label] for label in labels}
        if "SINGLE_QUEUE" in step.get("flags", []) and state.has_switch:
            raise OpenError("SINGLE_QUEUE speaks of queues")
        violations = ["RX-26"] if "SINGLE_QUEUE" in step.get("flags", []) and len(targets) > 1 else []
        for label in labels:
            del state.outstanding[label]
        events = []
        for target in targets - set(state.outstanding.values()):
            queue, vport = state.queues.get(target), state.vports.get(target)
            if queue is not None and queue.freeing is not None:
                if queue.freeing in state.aborted:
                    continue
                events.append(_ended(queue.freeing, FREE_QUEUE, SUCCESS))
                del state.queues[target]
            elif vport is not None and vport.deleting is not None and vport.deleting not in state.aborted:
                events.append(_ended(vport.deleting, DELETE_VPORT, SUCCESS))
                del state.vports[target]
        return {"returned": labels, "violations": violations, "events": {"any_order": events}}

    def _close_step(self, client: str) -> dict[str, Any]:
        """What a client left behind is cleaned up and reported (VPT-30)."""
        state = self.state
        if state.outstanding or state.queued or state.unsent or state.run_state != "running":
            raise OpenError("closing with traffic in flight")
        filters = [i for i in sorted(state.filters) if state.filters[i].owner == client]
        queues = [i for i in sorted(state.queues) if state.queues[i].owner == client]
        vports = [i for i in sorted(state.vports) if i != 0 and state.vports[i].owner == client]
        for i in filters:
            del state.filters[i]
        for i in queues:
            del state.queues[i]
        for i in vports:
            del state.vports[i]
        left = {"FLT-46": filters, "QUE-26": queues, "VPT-30": vports}
        return {
            "cleaned": {"filters": filters, "queues": queues, "vports": vports},
            "violations": [rule for rule, things in left.items() if things],
        }

    def _fault_step(self, fault: Any) -> dict[str, Any]:
        state = self.state
        if isinstance(fault, dict):
            if state.run_state != "running":
                raise OpenError("faults of an adapter that does not run")
            state.faults.append(fault)
            return {"events": []}
        if state.queued or state.unsent:
            raise OpenError("frames held at a pause, reset or removal")
        allowed = {"pause": "running", "restart": "paused", "reset_begin": "running", "reset_end": "resetting"}
        if state.run_state != allowed.get(fault, "running"):
            raise OpenError("a pause, reset or removal of an adapter that does not run")
        events = []
        if fault in ("reset_begin", "surprise_removal"):
            waiting = [(queue.freeing, FREE_QUEUE) for queue in state.queues.values()]
            waiting += [(vport.deleting, DELETE_VPORT) for vport in state.vports.values()]
            pending = [(label, oid) for label, oid in waiting if label is not None and label not in state.aborted]
            if pending and fault == "surprise_removal":
                raise OpenError("what becomes of pending requests at a removal")
            events = [_ended(label, oid, REQUEST_ABORTED) for label, oid in pending]
            state.aborted |= {label for label, _ in pending}
        after = {"pause": "paused", "reset_begin": "resetting", "surprise_removal": "removed"}
        state.run_state = after.get(fault, "running")
        return {"events": {"any_order": events}}

    def _hold_step(self, step: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        if "hold_tx" in step:
            state.hold_tx = True
            return {"events": []}
        if "release_tx" in step:
            return control_traffic.release_tx_step(self.spec, state)
        name = next(iter(set(step) & {"hold_dpc", "run_dpc", "release_dpc"}))
        everything = step[name] == "all"
        named = [] if everything else [processor_in(processor) for processor in step[name]]
        if name == "hold_dpc":
            self._hold(everything, named)
            return {"events": []}
        if name == "release_dpc":
            self._release(everything, named)
        chosen = sorted(state.pending) if everything else named
        doubtful = bool(state.doubtful & set(chosen))
        runs = control_traffic.run_dpcs(state, chosen)
        return {"interrupts": []} if doubtful else {"dpcs": runs, "interrupts": []}

    def _hold(self, everything: bool, named: list[Processor]) -> None:
        state = self.state
        if everything:
            state.hold_all = True
            state.not_held.clear()
        state.held |= set(named)
        state.not_held -= set(named)

    def _release(self, everything: bool, named: list[Processor]) -> None:
        state = self.state
        if everything:
            state.hold_all = False
            state.held.clear()
        state.held -= set(named)
        state.not_held |= set(named)

    def inspect(self, what: Any) -> dict[str, Any]:
        """What an `inspect` step shows."""
        state = self.state
        if what == "adapter":
            return {"mode": state.mode, "state": state.run_state}
        if what == "counters":
            held = sum(not work.is_completion for work in state.queued)
            dropped = sum(state.drops.values())
            counts = {"arrived": state.arrived, "indicated": state.indicated, "dropped": dropped, "held": held}
            return {**counts, "drop_reasons": dict(state.drops)}
        if what == "native_rss":
            if state.has_switch or control_rss.is_rss_v2(self.spec):
                return {}  # UPD-15 gives the initial values of VPorts only
            shown = control_rss.inspect_rss(state.native_rss, control_switch.base_processor(self.spec), None)
            in_use = control_rss.table_in_use(self.spec, state.native_rss, native=True)
            if in_use != state.native_rss.table:
                del shown["indirection_table"]  # whether it is the table set or the one in use is not said
            return {"rss": shown}
        if "queue" in what:
            return {"queue": control_queues.inspect_queue(self.spec, state, what["queue"])}
        return {"vport": control_switch.inspect_vport(self.spec, state, what["vport"])}


def _ended(label: str | None, oid: str, status: str) -> dict[str, Any]:
    return {"event": "oid_complete", "request": label, "oid": oid, "status": status}


__all__ = ["OpenError", "ReferenceAdapter"]
