"""The processors that RSS may use, and the interrupt vectors it needs (CAP-31 to CAP-33, INT-01, INT-02)."""

from __future__ import annotations

from collections.abc import Iterable

from dataplane.ids import ProcessorNumber

#: Vectors beside the data vectors: link state and the like (INT-01).
OTHER_VECTORS_MAX = 2


def rss_candidates(
    base: ProcessorNumber, maximum: ProcessorNumber, processors: Iterable[ProcessorNumber]
) -> list[ProcessorNumber]:
    """Those of `processors` between `base` and `maximum`, both included, compared group first (CAP-31)."""
    return [processor for processor in processors if base <= processor <= maximum]


def rss_processors(
    base: ProcessorNumber, max_rss_processors: int, processors: Iterable[ProcessorNumber]
) -> list[ProcessorNumber]:
    """The RSS processors of a machine: from `base` upward, as many as the keyword allows (CAP-33)."""
    return sorted(processor for processor in processors if processor >= base)[:max_rss_processors]


def data_vectors_min(queues: int) -> int:
    """The fewest data vectors a configuration with that many queues may have (INT-02)."""
    if queues <= 16:
        return 1
    return 16 if queues <= 64 else 32


def violated_vector_rules(queues: int, data_vectors: int, other_vectors: int, rss_processor_count: int) -> list[str]:
    """The rules that a set of MSI-X vectors violates, ascending (INT-01, INT-02)."""
    rules = []
    if other_vectors > OTHER_VECTORS_MAX or data_vectors > rss_processor_count:
        rules.append("INT-01")
    if data_vectors < data_vectors_min(queues):
        rules.append("INT-02")
    return rules
