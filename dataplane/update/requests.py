"""The OID requests that change RSS and its queues, in both generations.

This module neither checks nor issues requests. Requests that belong together are returned in the order in which they
must be issued.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dataplane.control import OidRequest
from dataplane.ids import (
    DEFAULT_PROCESSOR_INDEX,
    DEFAULT_VPORT_ID,
    PRIMARY_PROCESSOR_INDEX,
    NdisVersion,
    ProcessorNumber,
)
from dataplane.ndis.codec import encode_output
from dataplane.ndis.constants import RssParametersFlags, RssParametersV2Flags, VPortParametersFlags
from dataplane.ndis.layout import Structure
from dataplane.ndis.oids import Oid, RequestKind
from dataplane.ndis.structures import (
    ScaleParameters,
    ScaleParametersV2,
    SetIndirectionEntries,
    SetIndirectionEntry,
    VPortParameters,
)
from dataplane.switch.configuration import AdapterConfiguration, Mode, RssState

#: The client that sets a scenario up, issues its events unless they name another one, and carries out policies.
CLIENT = "A"


class ScalingParameters(NamedTuple):
    """The steering parameters of a VPort, or of the adapter without a switch (UPD-14)."""

    rss: RssState
    primary_processor: ProcessorNumber

    @property
    def by_index(self) -> dict[int, ProcessorNumber]:
        """The processor of each parameter, by the parameter's index in a move command (UPD-37)."""
        places = dict(enumerate(self.rss.indirection_table))
        places[PRIMARY_PROCESSOR_INDEX] = self.primary_processor
        if self.rss.default_processor is not None:
            places[DEFAULT_PROCESSOR_INDEX] = self.rss.default_processor
        return places


def scaling_parameters(configuration: AdapterConfiguration, vport_id: int) -> ScalingParameters | None:
    """Those of a VPort, or None if it does not exist; without a switch, VPort 0 is the adapter (UPD-49)."""
    if configuration.mode is not Mode.SWITCH:
        if vport_id != DEFAULT_VPORT_ID:
            return None
        return ScalingParameters(configuration.native_rss, configuration.rss_base_processor)
    found = (vport for vport in configuration.vports if vport.vport_id == vport_id)
    return next((ScalingParameters(vport.rss, vport.primary_processor) for vport in found), None)


def repeated(table: Sequence[ProcessorNumber], entries: int) -> tuple[ProcessorNumber, ...]:
    """A table of that many entries, which repeats `table` (UPD-26)."""
    return tuple(table[i % len(table)] for i in range(entries))


# Generation 1 --------------------------------------------------------------------------------------------------------


def set_parameters(
    version: NdisVersion,
    vport_id: int | None,
    *,
    indirection_table: Sequence[ProcessorNumber] | None = None,
    hash_information: int | None = None,
    hash_secret_key: bytes | None = None,
    default_processor: ProcessorNumber | None = None,
) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS: RSS on, with the given members; the others are flagged unchanged (RSS-09)."""
    given: dict[RssParametersFlags, dict[str, Any]] = {
        RssParametersFlags.HASH_INFO_UNCHANGED: {"hash_information": hash_information},
        RssParametersFlags.ITABLE_UNCHANGED: {"indirection_table": indirection_table},
        RssParametersFlags.HASH_KEY_UNCHANGED: {"hash_secret_key": hash_secret_key},
        RssParametersFlags.DEFAULT_PROCESSOR_UNCHANGED: {"default_processor_number": default_processor},
    }
    flags = 0
    members: dict[str, Any] = {"default_processor_number": ProcessorNumber(0, 0)}
    for flag, member in given.items():
        if None in member.values():
            flags |= flag
        else:
            members |= member
    parameters = ScaleParameters(flags=flags, **members)
    return oid_request(Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters, version, vport_id=vport_id)


def disable(version: NdisVersion, vport_id: int | None) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS with DISABLE_RSS: RSS off, and everything forgotten (RSS-07, RSS-08)."""
    parameters = ScaleParameters(
        flags=RssParametersFlags.DISABLE_RSS, default_processor_number=ProcessorNumber(0, 0)
    )  # never read, but it must be present
    return oid_request(Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS, parameters, version, vport_id=vport_id)


# Generation 2 --------------------------------------------------------------------------------------------------------


def set_parameters_v2(
    version: NdisVersion,
    vport_id: int | None,
    *,
    enable: bool,
    hash_information: int | None = None,
    hash_secret_key: bytes | None = None,
    entries: int | None = None,
    queues: int | None = None,
) -> OidRequest:
    """OID_GEN_RECEIVE_SCALE_PARAMETERS_V2: RSS on or off, with the given members as changed (UPD-21, UPD-22)."""
    given: dict[RssParametersV2Flags, dict[str, Any]] = {
        RssParametersV2Flags.HASH_INFO_CHANGED: {"hash_information": hash_information},
        RssParametersV2Flags.HASH_KEY_CHANGED: {"hash_secret_key": hash_secret_key},
        RssParametersV2Flags.NUMBER_OF_QUEUES_CHANGED: {"number_of_queues": queues},
        RssParametersV2Flags.NUMBER_OF_ENTRIES_CHANGED: {"number_of_indirection_table_entries": entries},
    }
    flags = int(RssParametersV2Flags.ENABLE_RSS) if enable else 0
    members: dict[str, Any] = {}
    for flag, member in given.items():
        if None not in member.values():
            flags |= flag
            members |= member
    parameters = ScaleParametersV2(flags=flags, **members)
    return oid_request(Oid.OID_GEN_RECEIVE_SCALE_PARAMETERS_V2, parameters, version, vport_id=vport_id)


def move_entries(
    current: RssState,
    table: Sequence[ProcessorNumber],
    default: ProcessorNumber,
    version: NdisVersion,
    vport_id: int = DEFAULT_VPORT_ID,
) -> Iterator[OidRequest]:
    """OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES: the requests that lead from `current` to `table` and `default`.

    Without a switch, VPort 0 is the adapter (UPD-49).
    """
    assert current.default_processor is not None, "an RSSv2 entity has a default processor from the start (UPD-15)"
    places = dict(enumerate(current.indirection_table)) | {DEFAULT_PROCESSOR_INDEX: current.default_processor}
    wanted = dict(enumerate(table)) | {DEFAULT_PROCESSOR_INDEX: default}
    moved = {index: target for index, target in wanted.items() if places[index] != target}
    return move_parameters(places, moved, version, vport_id)


def move_parameters(
    places: Mapping[int, ProcessorNumber],
    targets: Mapping[int, ProcessorNumber],
    version: NdisVersion,
    vport_id: int = DEFAULT_VPORT_ID,
) -> Iterator[OidRequest]:
    """OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES for the parameters of `targets`, by index (UPD-37).

    `places` are the present processors of all parameters. A parameter is moved by a request on its present processor
    (UPD-38). So there is one request for each of these processors, with one group of commands (UPD-31). A group is
    checked against the processors in use after it (UPD-41); therefore the group that leaves the fewest in use comes
    first.
    """
    groups: dict[ProcessorNumber, dict[int, ProcessorNumber]] = {}
    for index, target in targets.items():
        groups.setdefault(places[index], {})[index] = target
    for source in _fewest_in_use_first(groups, places) if len(groups) > 1 else groups:
        group = groups[source]
        commands = tuple(
            SetIndirectionEntry(vport_id=vport_id, indirection_table_index=index, target_processor_number=target)
            for index, target in group.items()
        )
        yield oid_request(
            Oid.OID_GEN_RSS_SET_INDIRECTION_TABLE_ENTRIES,
            SetIndirectionEntries(rss_entry_table=commands),
            version,
            kind=RequestKind.METHOD,
            processor=source,
            synchronous=True,
        )


def _fewest_in_use_first(
    groups: Mapping[ProcessorNumber, Mapping[int, ProcessorNumber]], places: Mapping[int, ProcessorNumber]
) -> Iterator[ProcessorNumber]:
    """The sources of groups; the next one is always that whose group leaves the fewest processors in use."""
    in_use = Counter(place for index, place in places.items() if index != PRIMARY_PROCESSOR_INDEX)
    left = {
        source: Counter(target for index, target in group.items() if index != PRIMARY_PROCESSOR_INDEX)
        for source, group in groups.items()
    }
    while left:
        source = min(left, key=lambda one: _more_in_use(in_use, one, left[one]))  # the first of equal ones
        yield source
        targets = left.pop(source)
        in_use[source] -= targets.total()
        in_use.update(targets)


def _more_in_use(in_use: Counter[ProcessorNumber], source: ProcessorNumber, targets: Counter[ProcessorNumber]) -> int:
    """How many more processors are in use once as many parameters have moved from `source` to each of `targets`."""
    is_left = in_use[source] > targets.total() or source in targets
    return sum(not in_use[target] for target in targets) - (in_use[source] > 0 and not is_left)


# Queue pairs, and requests in general --------------------------------------------------------------------------------


def change_queue_pairs(vport_id: int, num_queue_pairs: int, version: NdisVersion) -> OidRequest:
    """OID_NIC_SWITCH_VPORT_PARAMETERS with NUM_QUEUE_PAIRS_CHANGED (UPD-06)."""
    parameters = VPortParameters(
        vport_id=vport_id, flags=VPortParametersFlags.NUM_QUEUE_PAIRS_CHANGED, num_queue_pairs=num_queue_pairs
    )
    return oid_request(Oid.OID_NIC_SWITCH_VPORT_PARAMETERS, parameters, version)


def oid_request(
    oid: Oid,
    parameters: Structure,
    version: NdisVersion,
    *,
    kind: RequestKind = RequestKind.SET,
    issuer: str = CLIENT,
    **members: Any,
) -> OidRequest:
    """A request that carries a structure; `members` are further members of OidRequest."""
    return OidRequest(oid, kind, issuer, encode_output(parameters, version), **members)
