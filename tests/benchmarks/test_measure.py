"""Rounds in turns, and the figures made from them."""

from __future__ import annotations

import pytest

from benchmarks.measure import Figure, Session, figures, rate, spread


def test_subjects_take_turns() -> None:
    """After a warm-up each subject is measured once in every round, in the same order."""
    calls: list[str] = []

    def trial(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    measured = Session().take_turns({"a": lambda: trial("a"), "b": lambda: trial("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert measured == {"a": (3.0, 5.0), "b": (4.0, 6.0)}


def test_the_users_number_of_rounds_counts() -> None:
    """`--rounds` replaces the number of every series."""
    assert Session(rounds=4).take_turns({"a": lambda: 1.0}, 9) == {"a": (1.0,) * 4}


def test_a_quick_measurement_has_few_rounds() -> None:
    """A quick measurement has at most three rounds, unless the user says otherwise."""
    trials = {"a": lambda: 1.0}
    assert [len(Session(quick=True).take_turns(trials, rounds)["a"]) for rounds in (1, 3, 9)] == [1, 3, 3]
    assert len(Session(rounds=5, quick=True).take_turns(trials, 9)["a"]) == 5


def test_after_an_interrupt_complete_rounds_are_kept() -> None:
    """Ctrl-C in the third round leaves two values of every subject, and nothing begins after it."""
    values = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    left = [7]

    def trial() -> float:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return next(values)

    session = Session()
    measured = session.take_turns({"a": trial, "b": trial}, 9)
    assert measured == {"a": (2.0, 4.0), "b": (3.0, 5.0)}
    with pytest.raises(KeyboardInterrupt):
        session.take_turns({"a": lambda: 1.0}, 1)


def test_an_interrupt_before_the_first_round_leaves_nothing() -> None:
    """Ctrl-C in the first round leaves nothing to keep, so the interrupt is passed on."""

    def trial() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Session().take_turns({"a": trial}, 2)


def test_a_rate_counts_what_was_done() -> None:
    """Ten frames in a call of a quarter of a second are forty a second."""
    clock = [0.0]

    def act() -> None:
        clock[0] += 0.25

    assert rate(act, 10, lambda: clock[0])() == pytest.approx(40)


def test_what_is_short_is_repeated() -> None:
    """A call of a millisecond is made some twenty times a round, and the rate is that of one."""
    clock, calls = [0.0], [0]

    def act() -> None:
        clock[0] += 0.001
        calls[0] += 1

    trial = rate(act, 1, lambda: clock[0])
    trial()
    before = calls[0]
    assert trial() == pytest.approx(1000)
    assert calls[0] - before == 20


def test_ratios_are_of_the_same_round() -> None:
    """The median of the ratios of each round, not the ratio of the medians."""
    measured = {"ours": (10.0, 40.0, 90.0), "peer": (10.0, 20.0, 30.0)}
    texts = {"ours": "we", "peer": "they"}
    [(_, ours), (_, peer)] = figures(measured, "frames_per_second", texts, {"ours": ["peer", "absent"]})
    assert ours.ratios == {"peer": (1.0, 2.0, 3.0)}
    assert peer.ratios == {}
    assert ours.document()["ratios"]["peer"]["median"] == 2.0


def test_figures_are_documented_under_their_unit() -> None:
    """The median is under the unit's name, beside spread, rounds and facts."""
    document = Figure("a text", "seconds", (3.0, 1.0, 2.0), facts={"frames": 7}).document()
    assert document["seconds"] == 2.0
    assert document["spread"] == {"min": 1.0, "lower_quartile": 1.5, "upper_quartile": 2.5, "max": 3.0}
    assert (document["rounds"], document["frames"]) == (3, 7)


def test_one_round_has_no_spread() -> None:
    """With one value all of them are that value."""
    assert set(spread([4.0]).values()) == {4.0}
