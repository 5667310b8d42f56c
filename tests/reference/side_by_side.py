"""The oracle and the reference, driven side by side by one step after the other.

The reference takes every step first. A step that it leaves open is discarded. Both take any other step, and the result
must satisfy the reference. Then everything that `inspect` shows is compared as well.
"""

from __future__ import annotations

import json
from typing import Any

from tests.reference import machine_steps as steps
from tests.reference.control import OpenError, ReferenceAdapter
from tests.reference.oracle_session import OracleSession
from tests.scenarios.compare import difference

Step = dict[str, Any]
SUCCEEDED = ("NDIS_STATUS_SUCCESS", "NDIS_STATUS_PENDING")
LABELLED = ("oid", "frame", "send")
INSPECTIONS: list[Any] = [
    "adapter",
    "counters",
    "native_rss",
    *({"vport": i} for i in range(6)),
    *({"queue": i} for i in range(6)),
]


class SideBySide:
    """One adapter on both sides; a disagreement is an AssertionError with the script that repeats it."""

    def __init__(self, adapter: Step, *, prepared: bool = False) -> None:
        self.oracle = OracleSession()
        self.reference = ReferenceAdapter(adapter)
        #: Steps offered so far, open ones included; their labels follow from it.
        self.number = 0
        #: Steps done so far, as lines of a script for `vmmq oracle`.
        self.script: list[str] = []
        step = {"adapter": adapter}
        self.script.append(json.dumps(step))
        self.compare(step, self.reference.adapter_result(), self.oracle.step(step))
        #: What the oracle showed of its state after the last step.
        self.inspected = self.inspect_everything()
        for one in self._preparation() if prepared else []:
            self.do(one)

    def do(self, step: Step) -> None:
        """Give a step to both sides and compare, unless the reference leaves it open."""
        self.number += 1
        label = f"s{self.number}"
        if any(key in step for key in LABELLED):
            step = {**step, "label": label}
        if "during" in step:
            frames = [{**frame, "label": f"{label}/{i}"} for i, frame in enumerate(step["during"])]
            step = {**step, "during": frames}
        try:
            expected = self.reference.step(step)
        except OpenError:
            return
        self.script.append(json.dumps(step))
        result = self.oracle.step(step)
        self.compare(step, expected, result)
        inspected = self.inspect_everything()
        if "oid" in step and "during" not in step and result["status"] not in SUCCEEDED:
            assert inspected == self.inspected, self.story("MOD-09: a failed request changed something", step, result)
        self.inspected = inspected
        self.check_conservation()
        for what, shown in zip(INSPECTIONS, inspected, strict=True):
            self.compare({"inspect": what}, self.reference.inspect(what), shown)

    def check_conservation(self) -> None:
        """MOD-11: frames arrived = indicated + dropped + held, each drop with one reason."""
        shown = self.inspected[INSPECTIONS.index("counters")]
        assert shown["arrived"] == shown["indicated"] + shown["dropped"] + shown["held"], self.script
        assert shown["dropped"] == sum(shown["drop_reasons"].values()), self.script

    def compare(self, step: Step, expected: Step, result: Step) -> None:
        """Check that the result satisfies the reference; an open status must still be a failure."""
        why = difference(expected, result)
        if why is None and expected.get("status") == {} and result["status"] in SUCCEEDED:
            why = f"$.status is {result['status']}, expected a failure"
        assert why is None, self.story(why, step, result)

    def story(self, why: str, step: Step, result: Step) -> str:
        """The text of a disagreement, with the script that repeats it."""
        shown = {name: value for name, value in result.items() if name != "line"}
        return "\n".join([why, f"step   {json.dumps(step)}", f"result {json.dumps(shown)}", "script", *self.script])

    def inspect_everything(self) -> list[Step]:
        """The state that the oracle shows, without line numbers."""
        shown = [self.oracle.step({"inspect": what}) for what in INSPECTIONS]
        return [{name: value for name, value in result.items() if name != "line"} for result in shown]

    def _preparation(self) -> list[Step]:
        spec, state = self.reference.spec, self.reference.state
        field_parameters = [{"field_value": steps.M1, "flags": ["UNTAGGED_OR_ZERO"]}]
        if state.has_switch:
            create = {"num_queue_pairs": 3, "processor_affinity": [2]}
            activate = {"vport_id": 1, "flags": ["STATE_CHANGED"], "vport_state": "Activated"}
            hashing = {"hash_information": ["Toeplitz", "IPV4", "TCP_IPV4"], "hash_secret_key": steps.K1}
            scale = {**hashing, "indirection_table": [2, 4, 6, 2], "default_processor_number": 4}
            changed = ["ENABLE_RSS", "HASH_INFO_CHANGED", "HASH_KEY_CHANGED", "NUMBER_OF_ENTRIES_CHANGED"]
            scale_v2 = {**hashing, "flags": changed, "number_of_indirection_table_entries": 4}
            return [
                {"oid": "OID_NIC_SWITCH_CREATE_VPORT", "in": create},
                {"oid": "OID_NIC_SWITCH_VPORT_PARAMETERS", "in": activate},
                {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {"vport_id": 1, "field_parameters": field_parameters}},
                {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS", "vport_id": 1, "in": scale},
                {"oid": "OID_GEN_RECEIVE_SCALE_PARAMETERS_V2", "vport_id": 1, "in": scale_v2},
            ]
        if spec["receive_filter_capabilities"] is None:
            return []
        return [
            {"oid": "OID_RECEIVE_FILTER_ALLOCATE_QUEUE", "in": {"processor_affinity": [4]}},
            {"oid": "OID_RECEIVE_FILTER_SET_FILTER", "in": {"queue_id": 1, "field_parameters": field_parameters}},
            {"oid": "OID_RECEIVE_FILTER_QUEUE_ALLOCATION_COMPLETE", "in": {"elements": [{"queue_id": 1}]}},
        ]
