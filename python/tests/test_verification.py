"""Error rates from Python."""

import numpy as np
import pytest

import facevault_bench as fv
from facevault_bench.verification import roc


def pairs(people=40, seed=1):
    """Pairs of people, where some people are hard."""
    draw = np.random.default_rng(seed)
    of = draw.normal(size=people)
    scores, labels, groups = [], [], []
    for a in range(people):
        for _ in range(6):
            scores.append(2 + draw.normal() + of[a])
            labels.append(True)
            groups.append((f"p{a}", f"p{a}"))
        for b in range(a + 1, people):
            scores.append(draw.normal() + of[a] + of[b] - 1)
            labels.append(False)
            groups.append((f"p{a}", f"p{b}"))
    return np.array(scores), np.array(labels), np.array(groups)


def test_rates_are_counted():
    scores, labels, _ = pairs()
    found = roc(scores, labels)
    genuine, impostor = scores[labels], scores[~labels]
    assert (found.genuine, found.impostor) == (len(genuine), len(impostor))
    for threshold in [-1.0, 0.5, scores[10]]:
        at = found.at(threshold)
        assert at.far.value == (impostor >= threshold).mean() and at.tar.value == pytest.approx((genuine >= threshold).mean())
        assert at.far.n == len(impostor) and at.tar.n == len(genuine)
    at = found.at_far(0.01)
    assert at.far.value <= 0.01 < (impostor >= np.sort(impostor[impostor < at.threshold])[-1]).mean()
    assert found.tar(0.01).value == pytest.approx((genuine >= at.threshold).mean())
    assert abs((impostor >= found.eer_threshold).mean() - found.eer.value) < 2 / len(genuine)


def test_intervals_know_groups_and_say_when_there_are_none():
    scores, labels, groups = pairs()
    alone, together = roc(scores, labels), roc(scores, labels, groups)
    assert alone.independent and "too narrow" in alone.assumption and "independent" in repr(alone)
    assert not together.independent and "independent" not in repr(together)
    assert "independent" in roc.__doc__
    for name in ["eer", "tar", "at"]:
        narrow, wide = (
            of.eer if name == "eer" else of.tar(far=1e-2) if name == "tar" else of.at(1.0).far for of in (alone, together)
        )
        assert narrow.value == wide.value and narrow.lower <= narrow.value <= narrow.upper
        assert wide.upper - wide.lower > narrow.upper - narrow.lower
    # One group a pair, by number or by name, is the same as twice that group.
    first = roc(scores, labels, groups[:, 0])
    assert first.eer == roc(scores, labels, np.stack([groups[:, 0]] * 2, axis=1)).eer


def test_a_rate_that_pairs_cannot_show_is_refused_or_a_bound():
    scores, labels, groups = pairs()
    found = roc(scores, labels, groups)
    with pytest.raises(fv.InputError, match="1e-06 of 780 impostor pairs is less than one pair"):
        found.tar(far=1e-6)
    none = found.at(1e9).far
    assert none.bound and none.value == none.lower == 0 < none.upper


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1.0, 2.0], [True]), "2 scores and 1 labels"),
        (([1.0, np.nan], [True, False]), "pair 1 is NaN"),
        (([1.0, 2.0], [True, True]), "2 genuine and 0 impostor pairs"),
        (([[1.0, 2.0]], [True, False]), "one score for each pair"),
        (([1.0, 2.0], [2, 0]), "true or 1 for genuine"),
        (([1.0, 2.0], [True, False], [[1, 2, 3], [1, 2, 3]]), "groups"),
        (([1.0, 2.0], [True, False], [1]), "2 scores and 1 groups"),
        (([1.0, 2.0], [True, False], ["a", None]), "names of one kind"),
    ],
)
def test_what_are_no_scored_pairs_is_refused(arguments, text):
    with pytest.raises(fv.InputError, match=text):
        roc(*arguments)
