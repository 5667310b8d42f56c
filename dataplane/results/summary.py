"""`summary.json`: the results of a run, equal for every engine except for the `wall` section (ENG-01)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dataplane.engine.experiment import RunResult
from dataplane.processor.processor import COUNTED
from dataplane.results.measures import balance
from dataplane.results.tables import target_key
from dataplane.update.certificates import UpdateReport

SCHEMA_VERSION = 1


class ConservationError(AssertionError):
    """Frames were lost or invented by the model itself: the run has no result (MOD-11, ENG-03)."""


def summarize(result: RunResult, report: UpdateReport, *, scenario: str, seed: int) -> dict[str, Any]:
    """The summary without `wall`; raises `ConservationError` if the books do not balance.

    `report` is the run's report from `update.certificates`.
    """
    processors = _processor_rows(result)
    targets = _target_rows(result)
    completed = sum(row["received"] + row["completions"] for row in processors)
    dropped = dict(sorted(result.dropped.items()))
    if queue_full := sum(row["dropped"] for row in processors):
        dropped["queue_full"] = queue_full
    items = [row["received"] + row["completions"] for row in processors]
    # reordering inside the queue of one processor can only be a defect; updates can cause the rest
    logs = [processor.updates for processor in result.processors if processor.updates is not None]
    within = sum(log.reordered for log in logs)
    reordered = within + report.totals.frames_reordered
    may_reorder = result.experiment.hand_over == "permissive" and bool(report.certificates)
    checks = {
        "conservation": result.arrived == completed + sum(dropped.values()),
        "conservation_by_target": completed == sum(row["received"] + row["completions"] for row in targets),
        "conservation_by_flow": completed == int(result.flows.items.sum()),
        "order_kept": within == 0 if may_reorder else reordered == 0,
        "updates_as_expected": not report.failed_requests,
        **_verdicts(report),
    }
    for name in ("conservation", "conservation_by_target", "conservation_by_flow"):
        if not checks[name]:
            raise ConservationError(
                f"{name}: {result.arrived} frames arrived, {completed} completed, dropped {dropped} (MOD-11); "
                "this is a defect of the program, not of the scenario"
            )
    in_switch = target_key(result) == "vport_id"
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario,
        "seed": seed,
        "interrupted": result.interrupted,
        "start_ns": result.start_ns,
        "duration_ns": duration_ns(result),
        "arrived": result.arrived,
        "completed": completed,
        "dropped": dropped,
        "timestamp_regressions": result.timestamp_regressions,
        "findings": list(result.findings),
        "processors": processors,
        "vports": targets if in_switch else [],
        "queues": [] if in_switch else targets,
        "flows": len(result.flows.keys),
        "balance": balance(items, int(result.flows.items.max(initial=0))),
        "order": {
            "reordered": reordered,
            "ratio": reordered / completed if completed else 0.0,
            "max_extent": report.totals.max_extent,
            "max_late_ns": max([report.totals.max_late_ns, *(log.late_ns_max for log in logs)]),
        },
        "epochs": 1 + len(report.certificates),
        "checks": checks,
    }


def _verdicts(report: UpdateReport) -> dict[str, bool]:
    """Each verdict over all updates: true when none of them denies it (EPO-09)."""
    verdicts: dict[str, bool] = {}
    for certificate in report.certificates:
        for name, verdict in certificate.verdicts.items():
            verdicts[f"updates_{name}"] = verdicts.get(f"updates_{name}", True) and verdict
    return verdicts


def duration_ns(result: RunResult) -> int:
    """First arrival to last completion."""
    completions = [r.counters["last_completion_ns"] for r in result.processors if r.counters["accepted"]]
    return max(completions, default=result.start_ns) - result.start_ns


def _processor_rows(result: RunResult) -> list[dict[str, Any]]:
    duration = duration_ns(result)
    rows = []
    for number, report in zip(result.experiment.snapshot.processors, result.processors, strict=True):
        counters = report.counters
        row: dict[str, Any] = {"processor": str(number)}
        for name in ("received", "completions", "bytes", "dropped", "interrupts", "dpcs", "busy_ns"):
            row[name] = counters[name]
        row["load"] = round(counters["busy_ns"] / duration, 6) if duration else 0.0
        row["latency_ns"] = report.histogram.summary()
        rows.append(row)
    return rows


def _target_rows(result: RunResult) -> list[dict[str, Any]]:
    counts = np.zeros((len(result.target_ids), len(COUNTED)), np.int64)
    for report in result.processors:
        counts[: len(report.by_target)] += report.by_target
    return [
        {target_key(result): target_id, "name": name, **{n: int(v) for n, v in zip(COUNTED, row, strict=True)}}
        for target_id, name, row in zip(result.target_ids, result.target_names, counts, strict=True)
    ]
