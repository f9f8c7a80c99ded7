"""Transformation of labels to unbounded variables and back.

A posterior is a density over the unbounded variables, so that labels within their bounds only have a density.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from stronglens.parameters import Column, RunError
from stronglens.scaling import fit_label_scaling

EDGE = 1e-6
"""Clip the fractional position in a range to [EDGE, 1 - EDGE], which is 4.75 standard deviations."""

LOWER_BOUNDS = {
    "einstein-radius": 0.0,
    "einstein-radius-sie": 0.0,
    "magnification": 0.0,
    "snr": 0.0,
    "exposure-time": 0.0,
}
"""Lower bounds of derived labels, unit of each label."""

LOG_FLOOR = 1e-3
"""Minimum distance from a lower bound, in standard deviations of the label."""


@dataclass(frozen=True)
class LabelSpace:
    """Transformation of L labels to unbounded variables, y = (f(label) - mean) / deviation.

    A label with a uniform prior has f = Phi^-1((label - low) / (high - low)), the quantile function of the normal
    distribution. Its transformed prior is then standard normal, as the base distribution of a flow, so that the flow
    of an unconstrained label is the identity. A derived label with a lower bound has f = ln(label - bound). Other
    labels have f = label.

    Attributes
    ----------
    names : tuple of L str
    kinds : tuple of L {"range", "above", "free"}
        Uniform prior, lower bound, or neither.
    low : tuple of L float, unit of each label
        Start of the range, or lower bound; 0 for the kind ``free``.
    high : tuple of L float, unit of each label
        End of the range, or minimum distance from the lower bound; 0 for the kind ``free``.
    mean, deviation : tuple of L float
        Mean and standard deviation of f(label) over the training split.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(
        cls, columns: Sequence[Column], labels: np.ndarray, least: Mapping[str, float] = LOWER_BOUNDS
    ) -> "LabelSpace":
        """Fit the transformation on training labels.

        Parameters
        ----------
        columns : sequence of L Column
        labels : ndarray (M, L), unit of each label
        least : mapping of name to float, unit of each label
            Lower bounds of derived labels.

        Returns
        -------
        LabelSpace

        Raises
        ------
        RunError
            If a label is not finite, constant, or a count.
        """
        names = tuple(column.name for column in columns)
        fit_label_scaling(labels, names)  # raises an error for constant labels and values that are not finite
        for name, values in zip(names, np.asarray(labels).T, strict=True):
            if np.array_equal(values, np.round(values)):
                raise RunError(
                    f"{name} is a whole number in every training image; counts are discrete and have no probability "
                    "density: remove it from --labels, or use --posterior=none"
                )
        kinds, low, high = [], [], []
        for column, values in zip(columns, np.asarray(labels, np.float64).T, strict=True):
            if column.drawn and column.prior is not None and column.prior[1] > column.prior[0]:
                kind, ends = "range", column.prior
            elif not column.drawn and column.name in least:
                kind, ends = "above", (least[column.name], LOG_FLOOR * values.std())
            else:
                kind, ends = "free", (0.0, 0.0)
            kinds.append(kind)
            low.append(float(ends[0]))
            high.append(float(ends[1]))
        nothing, one = (0.0,) * len(names), (1.0,) * len(names)
        bare = cls(names, tuple(kinds), tuple(low), tuple(high), nothing, one)
        spread = bare.to_space(labels)
        mean, deviation = tuple(spread.mean(axis=0).tolist()), tuple(spread.std(axis=0).tolist())
        return cls(names, tuple(kinds), tuple(low), tuple(high), mean, deviation)

    @classmethod
    def from_dict(cls, written: Mapping) -> "LabelSpace":
        """Return the transformation that `to_dict` wrote.

        Raises
        ------
        RunError
            If the record is damaged.
        """
        try:
            space = cls(*(tuple(written[name]) for name in cls.__dataclass_fields__))
            numbers = np.array([space.low, space.high, space.mean, space.deviation], float)
            is_sound = numbers.shape == (4, len(space.kinds)) and np.isfinite(numbers).all()
            is_sound &= len(space.names) == len(space.kinds) and set(space.kinds) <= {"range", "above", "free"}
            is_sound &= bool((numbers[3] > 0).all())
            is_sound &= all(
                {"range": high > low, "above": high > 0}.get(kind, True)
                for kind, low, high in zip(space.kinds, space.low, space.high, strict=True)
            )
        except (KeyError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise RunError("the network's record of its labels is damaged; train the network again")
        return space

    def to_dict(self) -> dict:
        """Return plain data for JSON."""
        return asdict(self)

    def to_space(self, labels: np.ndarray) -> np.ndarray:
        """Transform labels (..., L), each in its unit, to unbounded variables (..., L), float64."""
        labels = np.asarray(labels, np.float64)
        out = np.empty_like(labels)
        for place, kind in enumerate(self.kinds):
            values = labels[..., place]
            if kind == "range":
                share = (values - self.low[place]) / (self.high[place] - self.low[place])
                values = ndtri(np.clip(share, EDGE, 1 - EDGE))
            elif kind == "above":
                values = np.log(np.maximum(values - self.low[place], self.high[place]))
            out[..., place] = (values - self.mean[place]) / self.deviation[place]
        return out

    def to_labels(self, space: np.ndarray) -> np.ndarray:
        """Map points (..., L) of the space to labels (..., L) float64, each in its unit and within its bounds."""
        space = np.asarray(space, np.float64)
        out = np.empty_like(space)
        for place, kind in enumerate(self.kinds):
            values = self.mean[place] + self.deviation[place] * space[..., place]
            if kind == "range":
                low, high = self.low[place], self.high[place]
                values = np.clip(low + (high - low) * ndtr(values), low, high)
            elif kind == "above":
                values = self.low[place] + np.exp(np.clip(values, -80, 80))
            out[..., place] = values
        return out

    @property
    def float32_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the labels, two arrays (L,), rounded inwards to float32 so that rounding keeps samples in range."""
        ends = []
        for inwards, bound in ((np.inf, self.low), (-np.inf, self.high)):
            held = [value if kind == "range" else -inwards for kind, value in zip(self.kinds, bound, strict=True)]
            rounded = np.array(held, np.float32)
            outside = rounded < held if inwards > 0 else rounded > held
            ends.append(np.where(outside, np.nextafter(rounded, np.float32(inwards)), rounded))
        return ends[0], ends[1]
