"""What `vmmq show` prints, as rich renderables: the state of an adapter in the tables of the Windows tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dataplane.ids import ProcessorNumber
from dataplane.results.screen import plain_table

_ROW = 8  # processors in a line of a table, as Get-NetAdapterRss and `ethtool -x` have it

Json = Mapping[str, Any]


def adapter_screen(document: Json) -> RenderableType:
    """Everything in the document of `adapter.adapter_document`."""
    return Group(*_parts(document))


def _parts(document: Json) -> Iterator[RenderableType]:
    yield from _adapter(document)
    filters: dict[int, list[Json]] = {}
    for one in document["filters"]:
        filters.setdefault(one.get("vport_id", one.get("queue_id")), []).append(one)
    if document["vports"]:
        yield from _titled("Get-NetAdapterVPort", _vports(document["vports"], filters))
    if document["queues"]:
        yield from _titled("Get-NetAdapterVmqQueue", _queues(document["queues"], filters))
    if document["filters"]:
        yield from _titled("Receive filters", _filters(document["filters"]))
    for vport in document["vports"]:
        if vport["rss"]["enabled"]:
            yield from _titled(f"RSS of VPort {vport['vport_id']} {vport['name']}", _rss(vport["rss"]))
    native = document["native_rss"]
    if native and native["enabled"]:
        yield from _titled("RSS of the adapter", _rss(native))


def _titled(title: str, table: RenderableType) -> Iterator[RenderableType]:
    yield Text(f"\n{title}", "bold")
    yield table


def _adapter(document: Json) -> Iterator[RenderableType]:
    yield _fields(
        {
            "Name": document["name"],
            "NdisVersion": document["ndis_version"],
            "Mode": document["mode"],
            "MacAddress": _mac(document["permanent_address"]),
            "PacketFilter": " ".join(document["packet_filter"]),
            "MulticastList": " ".join(_mac(address) for address in document["multicast_list"]),
        }
    )
    rss, vmq, sriov = document["rss"], document["vmq"], document["sriov"]
    yield from _titled(
        "Get-NetAdapterRss",
        _fields(
            {
                "Enabled": str(rss["enabled"]),
                "Generation": str(rss["generation"]),
                "NumberOfReceiveQueues": str(rss["number_of_receive_queues"]),
                "BaseProcessor: [Group:Number]": rss["base_processor"],
                "MaxProcessor: [Group:Number]": rss["max_processor"],
                "MaxProcessors": str(rss["max_processors"]),
                "RssProcessorArray: [Group:Number]": _lines(rss["rss_processors"]),
            }
        ),
    )
    table = _table("Enabled", "BaseVmqProcessor", "MaxProcessors", "NumberOfReceiveQueues", "Vmmq")
    queues = str(vmq["number_of_receive_queues"])
    base, processors = vmq["base_vmq_processor"], str(vmq["max_processors"])
    table.add_row(str(vmq["enabled"]), base, processors, queues, str(vmq["vmmq"]))
    yield from _titled("Get-NetAdapterVmq", table)
    table = _table("Enabled", "SwitchName", "NumVFs")
    table.add_row(str(sriov["enabled"]), sriov["switch_name"], str(sriov["num_vfs"]))
    yield from _titled("Get-NetAdapterSriov", table)


def _vports(vports: Sequence[Json], filters: Mapping[int, Sequence[Json]]) -> Table:
    table = _table("Name", "ID", "MacAddress", "VID", "ProcMask", "FID", "State", "QPairs")
    for vport in vports:
        table.add_row(
            vport["name"],
            str(vport["vport_id"]),
            *_first(filters.get(vport["vport_id"], ())),
            _ranges(vport["processor_affinity"]),
            str(vport["attached_function_id"]),
            vport["state"],
            str(vport["num_queue_pairs"]),
        )
    return table


def _queues(queues: Sequence[Json], filters: Mapping[int, Sequence[Json]]) -> Table:
    table = _table("Name", "QueueID", "MacAddress", "VlanID", "Processor", "VmFriendlyName", "State")
    for queue in queues:
        table.add_row(
            queue["queue_name"],
            str(queue["queue_id"]),
            *_first(filters.get(queue["queue_id"], ())),
            queue["processor"],
            queue["vm_friendly_name"],
            queue["state"],
        )
    return table


def _first(filters: Sequence[Json]) -> tuple[str, str]:
    """Address and VLAN of the first filter, and how many more there are."""
    if not filters:
        return "", ""
    first = filters[0]
    more = f" +{len(filters) - 1}" if len(filters) > 1 else ""
    return _mac(first["mac"] or "") + more, _vlan(first)


def _filters(filters: Sequence[Json]) -> Table:
    target = "VPort" if "vport_id" in filters[0] else "Queue"
    table = _table("FilterId", target, "MacAddress", "VlanID", "Owner")
    for one in filters:
        table.add_row(
            str(one["filter_id"]), str(one[f"{target.lower()}_id"]), _mac(one["mac"] or ""), _vlan(one), one["owner"]
        )
    return table


def _vlan(one: Json) -> str:
    if one["vlan_id"] is not None:
        return str(one["vlan_id"])
    return "untagged" if one["untagged_or_zero"] else "any"


def _rss(rss: Json) -> Table:
    in_use = rss.get("table_in_use", rss["indirection_table"])
    return _fields(
        {
            "NumberOfQueues": str(rss["number_of_queues"]),
            "HashTypes": " ".join(rss["hash_types"]),
            "HashSecretKey": rss["hash_secret_key"],
            "DefaultProcessor": rss["default_processor"],
            "IndirectionTable: [Group:Number]": _lines(rss["indirection_table"]),
        }
        | ({"TableInUse: [Group:Number]": _lines(in_use)} if in_use != rss["indirection_table"] else {})
    )


def _lines(processors: Sequence[str]) -> str:
    """Rows of eight, columns aligned."""
    width = max(map(len, processors), default=0)
    cells = [processor.ljust(width) for processor in processors]
    return "\n".join("  ".join(cells[i : i + _ROW]).rstrip() for i in range(0, len(cells), _ROW))


def _ranges(processors: Iterable[str]) -> str:
    """Ascending processors of one group with runs joined: `0:0-3,0:8`."""
    numbers = [ProcessorNumber.parse(text) for text in processors]
    runs = []
    for _, numbered in groupby(enumerate(numbers), key=lambda one: one[1].number - one[0]):
        run = [processor for _, processor in numbered]
        runs.append(f"{run[0]}-{run[-1].number}" if len(run) > 1 else str(run[0]))
    return ",".join(runs)


def _mac(address: str) -> str:
    return address.upper().replace(":", "-")


def _fields(rows: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, f": {value}".replace("\n", "\n  "))
    return table


def _table(*names: str) -> Table:
    return plain_table(*names, left={*names} - {"ID", "QueueID", "QPairs", "FilterId", "VPort", "Queue"})
