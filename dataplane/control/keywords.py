"""Which interface the standardized INF keywords enable (CAP-10 to CAP-12)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

#: Keyword -> value when it is absent from the registry; None: absence has no value of its own and counts as 0.
KEYWORD_DEFAULTS: Mapping[str, int | None] = {
    "*RSS": 1,
    "*RSSProfile": 4,
    "*RssBaseProcGroup": 0,
    "*RssBaseProcNumber": 0,
    "*RssMaxProcGroup": 0,
    "*RssMaxProcNumber": 63,
    "*MaxRssProcessors": 16,
    "*NumRSSQueues": 16,
    "*NumaNodeId": 65535,
    "*VMQ": 1,
    "*VMQVlanFiltering": 1,
    "*VMQLookaheadSplit": 1,
    "*RssOrVmqPreference": 0,
    "*SRIOV": None,
    "*SriovPreferred": None,
    "*RssOnHostVPorts": 1,
}


class Interface(Enum):
    """The interfaces that keywords can enable; the values are their names in results."""

    RSS = "RSS"
    VMQ = "VMQ"
    SRIOV = "SRIOV"


def keyword(keywords: Mapping[str, int], name: str) -> int:
    """The value of a keyword, or its default; KeyError for a name that is no standardized keyword."""
    return keywords.get(name, KEYWORD_DEFAULTS[name] or 0)


def enabled_interfaces(keywords: Mapping[str, int]) -> tuple[Interface, ...]:
    """The interfaces that the keywords enable (CAP-10), SR-IOV before VMQ.

    The code follows the documented table from the top. Combinations that are not in the table enable nothing, except
    SR-IOV without VMQ.
    """
    preferred, preference, sriov, vmq, rss = (
        keyword(keywords, name) for name in ("*SriovPreferred", "*RssOrVmqPreference", "*SRIOV", "*VMQ", "*RSS")
    )
    match (preferred, preference, sriov, vmq, rss):
        case (1, 1, 1, 1, _):
            return (Interface.SRIOV, Interface.VMQ)
        case (1, 1, 0, 1, _):
            return (Interface.VMQ,)
        case (1, _, 1, 0, _) | (1, 0, 1, _, _):
            return (Interface.SRIOV,)
        case (0, 1, _, 1, _):
            return (Interface.VMQ,)
        case (0, 0, _, _, 1):
            return (Interface.RSS,)
    return ()


def rss_on_host_vports(keywords: Mapping[str, int]) -> bool:
    """Whether *RssOnHostVPorts allows RSS on PF VPorts (CAP-12)."""
    return keyword(keywords, "*RssOnHostVPorts") != 0
