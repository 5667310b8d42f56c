"""The hand-over desk of the NIC front end: collects the processors' answers about updates and passes them on (EPO-07).

It also tracks the life of epochs: it releases an old snapshot when its epoch is retired, and not before (EPO-04).
"""

from __future__ import annotations

from dataplane.arrays import joined
from dataplane.processor.messages import ANSWER_ROW, Answer, Settle, latest
from dataplane.switch.snapshot import SteeringSnapshot


class HandOverDesk:
    """Takes the answers of all hosts, and returns news for all hosts."""

    def __init__(self, hosts: int, snapshot: SteeringSnapshot) -> None:
        self._hosts = hosts
        self._answers: dict[int, dict[int, Answer]] = {}  # by epoch and host, of updates that are not over
        self._snapshots = {snapshot.epoch: snapshot}  # of epochs that are not retired

    @property
    def is_open(self) -> bool:
        """Whether some processor may still send an answer about an update."""
        return bool(self._answers)

    @property
    def live_epochs(self) -> list[int]:
        """Epochs that are not retired; the last is that of the snapshot in force."""
        return list(self._snapshots)

    def adopt(self, snapshot: SteeringSnapshot) -> None:
        """The NIC front end steers with that snapshot from now on, and the marker is on its way."""
        assert snapshot.epoch not in self._snapshots, "a snapshot is adopted once"
        self._snapshots[snapshot.epoch] = snapshot
        self._answers[snapshot.epoch] = {}

    def answer(self, host: int, answer: Answer) -> list[Settle]:
        """Take a host's answer about an update; return the news for all hosts."""
        assert answer.epoch in self._answers, f"epoch {answer.epoch} is retired already"
        answers = self._answers[answer.epoch]
        answers[host] = answer
        if len(answers) < self._hosts:
            return []
        retired_ns = latest(one.drained_ns for one in answers.values())
        rows = joined(ANSWER_ROW, [one.answers for one in answers.values()])
        if retired_ns is not None:
            del self._answers[answer.epoch]
            while (oldest := next(iter(self._snapshots))) < answer.epoch:  # epochs ascend
                del self._snapshots[oldest]
        return [Settle(answer.epoch, retired_ns, rows)]
