"""The `inline` engine: source, NIC front end and processors, one after the other in this process."""

from __future__ import annotations

import numpy as np

from dataplane.engine.experiment import Experiment, PacketSink, Progress, RunResult, SourceFactory
from dataplane.engine.interrupts import InterruptShield
from dataplane.processor.processor import Processor, Windows
from dataplane.receive.front_end import NicFrontEnd
from dataplane.receive.work import new_work_columns


def new_processors(experiment: Experiment, start_ns: int) -> list[Processor]:
    """The processors of an experiment by row; `start_ns` is the first arrival."""
    windows = Windows(start_ns, experiment.window_ns)
    slots = len(experiment.snapshot.entry_slots().target)
    targets = len(experiment.snapshot.target_names)
    return [Processor(costs, windows, targets, slots) for costs in experiment.costs]


def run_inline(
    experiment: Experiment, open_source: SourceFactory, sink: PacketSink | None, progress: Progress
) -> RunResult:
    """Run an experiment to its end, or to the user's Ctrl-C: then what was taken in is finished and reported."""
    source = open_source()
    front_end = NicFrontEnd(experiment.snapshot, transmit_by_source=experiment.transmit_by_source)
    work = new_work_columns(experiment.batch_frames)
    offsets = np.zeros(len(experiment.costs) + 1, np.int64)
    selection = np.zeros(experiment.batch_frames, np.uint32)
    processors: list[Processor] = []
    start_ns, interrupted = 0, False
    shield = InterruptShield()
    shield.install()
    try:
        for batch in source.batches(experiment.batch_frames):
            with shield:
                if not processors:
                    start_ns = int(batch.timestamp_ns[0])
                    processors = new_processors(experiment, start_ns)
                front_end.accept(batch, work, offsets, selection)
                for row, processor in enumerate(processors):
                    rows = selection[offsets[row] : offsets[row + 1]]
                    if len(rows):
                        processor.serve(work, rows, batch.first_frame)
                if sink is not None:
                    sink.write(batch, work)
            progress(front_end.arrived, source.progress())
    except KeyboardInterrupt:
        interrupted = True
    finally:
        shield.remove()
    processors = processors or new_processors(experiment, start_ns)
    return RunResult(
        experiment=experiment,
        start_ns=start_ns,
        arrived=front_end.arrived,
        dropped=front_end.dropped(),
        timestamp_regressions=source.timestamp_regressions,
        findings=tuple(source.findings),
        processors=tuple(processor.report() for processor in processors),
        interrupted=interrupted,
        engine_facts={"engine": "inline"},
    )
