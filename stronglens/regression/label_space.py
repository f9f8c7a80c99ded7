"""Labels to numbers that may take any value, and back: what a posterior is a density of.

A density over all real numbers that is carried back through these maps can never give a label outside its bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from stronglens.parameters import Column, RunError
from stronglens.scaling import fit_label_scaling

EDGE = 1e-6
"""Of a range: what is nearer to its end is taken to be so near, 4.75 standard deviations out."""

LOWER_BOUNDS = {
    "einstein-radius": 0.0,
    "einstein-radius-sie": 0.0,
    "magnification": 0.0,
    "snr": 0.0,
    "exposure-time": 0.0,
}
"""Of what follows from other columns and is bounded below."""
LOG_FLOOR = 1e-3
"""Of the deviation of such a label: what is nearer to its least value is taken to be so near."""


@dataclass(frozen=True)
class LabelSpace:
    """Hold the map of L labels to their space: y = (f(label) - mean) / deviation.

    A label drawn uniformly from a range has f = Phi^-1((label - low) / (high - low)), the quantile of a normal
    distribution: its prior is a standard normal one, which is where a flow starts from, and a posterior that knows
    nothing has nothing to learn. A label that follows from others and has a least value has f = ln(label - least); any
    other stays as it is.

    Attributes
    ----------
    names : tuple of L str
    kinds : tuple of L {"range", "above", "free"}
    low : tuple of L float, unit of each label
        Start of the range, or the least value; 0 where there is none.
    high : tuple of L float, unit of each label
        End of the range, or how near to the least value is still told apart; 0 where there is none.
    mean, deviation : tuple of L float
        Of f(label) over the training split.
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
        """Fit the space on training labels.

        Parameters
        ----------
        columns : sequence of L Column
        labels : ndarray (M, L), unit of each label
        least : mapping of name to float, unit of each label
            What labels that were not drawn are never below.

        Raises
        ------
        RunError
            If a label is not finite, the same in every image, or a count.
        """
        names = tuple(column.name for column in columns)
        fit_label_scaling(labels, names)  # refuses what cannot be learned
        for name, values in zip(names, np.asarray(labels).T, strict=True):
            if np.array_equal(values, np.round(values)):
                raise RunError(
                    f"{name} is a whole number in every training image: of a count there is no density; leave it out "
                    "of --labels, or learn it with --posterior=none"
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
        """Return the space that `to_dict` wrote.

        Raises
        ------
        RunError
            If it was not written by that.
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
            raise RunError("the network's record of its labels is damaged: train it anew")
        return space

    def to_dict(self) -> dict:
        """Return what JSON can hold."""
        return asdict(self)

    def to_space(self, labels: np.ndarray) -> np.ndarray:
        """Map labels (..., L), each in its unit, to the space: (..., L) float64."""
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
        """Ends of the labels (L,), rounded inwards to 32 bits: a draw is not to leave its range by its rounding."""
        ends = []
        for inwards, bound in ((np.inf, self.low), (-np.inf, self.high)):
            held = [value if kind == "range" else -inwards for kind, value in zip(self.kinds, bound, strict=True)]
            rounded = np.array(held, np.float32)
            outside = rounded < held if inwards > 0 else rounded > held
            ends.append(np.where(outside, np.nextafter(rounded, np.float32(inwards)), rounded))
        return ends[0], ends[1]
