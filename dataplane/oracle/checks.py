"""The `check` step: rules that need no adapter (section 9 of the protocol)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataplane.control.keywords import enabled_interfaces, rss_on_host_vports
from dataplane.control.processors import rss_candidates, rss_processors, violated_vector_rules
from dataplane.ndis.values import MalformedValue, format_processors, parse_int, parse_processor, parse_processors
from dataplane.oracle.lines import COMMON_MEMBERS, check_members, required
from dataplane.oracle.specification import parse_keywords

Json = dict[str, Any]
_RSS_PROCESSOR_COUNT = 64


def check(step: Mapping[str, Any]) -> Json:
    """The result members of a `check` step."""
    what = step["check"]
    if not isinstance(what, str) or what not in _CHECKS:
        raise MalformedValue(f"check {what!r} is not one of {', '.join(_CHECKS)}")
    members, run = _CHECKS[what]
    return run(check_members(step, ("check", *COMMON_MEMBERS, *members), f"check {what}"))


def _interface(step: Mapping[str, Any]) -> Json:
    keywords = parse_keywords(required(step, "keywords", "check"))
    return {
        "interface": [one.value for one in enabled_interfaces(keywords)],
        "rss_on_host_vports": rss_on_host_vports(keywords),
    }


def _rss_candidates(step: Mapping[str, Any]) -> Json:
    base, maximum = (parse_processor(required(step, name, "check")) for name in ("base", "max"))
    processors = parse_processors(required(step, "processors", "check"))
    return {"candidates": format_processors(rss_candidates(base, maximum, processors))}


def _rss_processors(step: Mapping[str, Any]) -> Json:
    base = parse_processor(required(step, "base", "check"))
    limit = parse_int(required(step, "max_rss_processors", "check"))
    processors = parse_processors(required(step, "processors", "check"))
    return {"rss_processors": format_processors(rss_processors(base, limit, processors))}


def _msix_vectors(step: Mapping[str, Any]) -> Json:
    queues, data_vectors = (parse_int(required(step, name, "check")) for name in ("queues", "data_vectors"))
    others = parse_int(step.get("other_vectors", 0))
    rules = violated_vector_rules(
        queues, data_vectors, others, parse_int(step.get("rss_processor_count", _RSS_PROCESSOR_COUNT))
    )
    return {"ok": not rules, "rules": rules}


_CHECKS: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Json]]] = {
    "interface": (("keywords",), _interface),
    "rss_candidates": (("base", "max", "processors"), _rss_candidates),
    "rss_processors": (("base", "max_rss_processors", "processors"), _rss_processors),
    "msix_vectors": (("queues", "data_vectors", "other_vectors", "rss_processor_count"), _msix_vectors),
}
