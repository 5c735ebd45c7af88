"""Error rates of scores, with intervals: `roc`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from ._errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A rate with its confidence interval and the number of pairs behind it."""

    value: float
    lower: float | None
    """Lower end; None where no interval can be given, and `method` says why."""
    upper: float | None
    n: int
    """Number of pairs."""
    level: float
    """Confidence level of the interval."""
    method: str
    """How the interval was made."""
    bound: bool
    """Whether no error was seen, so that the rate is only known to be at most `upper`."""

    def __str__(self) -> str:
        if self.lower is None or self.upper is None:
            return f"{self.value:.6g} ({self.method})"
        return f"{self.value:.6g} [{self.lower:.6g}, {self.upper:.6g}]"


@dataclass(frozen=True)
class Rates:
    """Both error rates at one threshold."""

    threshold: float
    """A pair matches if its score is at least this."""
    far: Estimate
    """False accept rate: the share of impostor pairs that match (FMR)."""
    tar: Estimate
    """True accept rate: the share of genuine pairs that match."""


class Roc:
    """Error rates of scored pairs, exact at every score.

    Made by `roc`. Without groups, `independent` is true: the intervals take pairs as independent.
    """

    def __init__(self, scores: _native.Scores, independent: bool) -> None:
        self._scores = scores
        self.independent = independent
        """Whether the intervals take pairs as independent, because `groups` was not given."""

    @property
    def assumption(self) -> str:
        """What the intervals assume, in words."""
        if self.independent:
            return (
                "pairs are taken as independent; pairs that share faces or people are not, and their intervals are too narrow: "
                "give `groups`"
            )
        return "pairs of different groups are independent; pairs of one group need not be"

    @property
    def genuine(self) -> int:
        """Number of genuine pairs."""
        return self._scores.counts()[0]

    @property
    def impostor(self) -> int:
        """Number of impostor pairs."""
        return self._scores.counts()[1]

    @property
    def eer(self) -> Estimate:
        """The equal error rate."""
        return Estimate(*self._scores.eer()[0])

    @property
    def eer_threshold(self) -> float:
        """The threshold of the equal error rate."""
        return self._scores.eer()[1]

    def tar(self, far: float) -> Estimate:
        """The true accept rate at the lowest threshold whose false accept rate is at most `far`.

        The interval accounts for the choice of that threshold: other people would give another.
        """
        return self.at_far(far).tar

    def at_far(self, far: float) -> Rates:
        """Both rates at the lowest threshold whose false accept rate is at most `far`."""
        if not 0 < far <= 1:
            raise InputError(f"far: a rate above 0 and at most 1 is needed, this is {far}")
        found = self._scores.tar(far)
        if found is None:
            raise InputError(
                f"far: {far:g} of {self.impostor} impostor pairs is less than one pair, so its threshold cannot be told; take a "
                f"rate of at least {1 / self.impostor:.3g}, or more pairs"
            )
        return _rates(found)

    def at(self, threshold: float) -> Rates:
        """Both rates at a threshold, which was chosen elsewhere: the intervals hold it fixed."""
        if np.isnan(threshold):
            raise InputError("threshold: a number is needed, this is NaN")
        return _rates(self._scores.at(float(threshold)))

    def __repr__(self) -> str:
        taken = ", pairs taken as independent" if self.independent else ""
        return f"<Roc of {self.genuine} genuine and {self.impostor} impostor pairs{taken}: EER {self.eer}>"


def roc(scores: ArrayLike, labels: ArrayLike, groups: ArrayLike | None = None, *, level: float = 0.95) -> Roc:
    """Error rates of scored pairs.

    `scores` are similarities on any scale, the higher the more alike; `labels` are true (or 1) for genuine pairs. `groups`
    says which pairs are not independent: (N,), one group for each pair, or (N, 2), the two people (or faces) in it, with names
    of any kind. **Without `groups`, the intervals take pairs as independent**, and are too narrow for pairs that share faces
    or people; `Roc.independent` says so.
    """
    values = np.ascontiguousarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise InputError(f"scores have {values.ndim} dimensions; expected one score for each pair")
    return Roc(_native.Scores(values, _same(labels), _numbered(groups), float(level)), groups is None)


def _same(labels: ArrayLike) -> Any:
    given = np.asarray(labels)
    same = given.astype(bool)
    if given.ndim != 1 or not np.array_equal(same, given):
        raise InputError("labels: one for each pair, true or 1 for genuine, false or 0 for impostor")
    return np.ascontiguousarray(same)


def _numbered(groups: ArrayLike | None) -> Any:
    if groups is None:
        return None
    given = np.asarray(groups)
    if given.ndim == 1:
        given = np.stack([given, given], axis=1)
    if given.ndim != 2 or given.shape[1] != 2:
        raise InputError("groups: one for each pair, (N,), or the two that each pair is of, (N, 2)")
    try:
        numbers = np.unique(given, return_inverse=True)[1]
    except TypeError:
        raise InputError("groups: names of one kind are needed, all text or all numbers, and one for every pair") from None
    return np.ascontiguousarray(numbers.reshape(given.shape), dtype=np.uint32)


def _rates(found: Any) -> Rates:
    threshold, far, tar = found
    return Rates(threshold, Estimate(*far), Estimate(*tar))
