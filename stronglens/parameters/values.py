"""Ranges, as values of parameters, and columns of a dataset."""

import math
from dataclasses import dataclass
from numbers import Real

from stronglens.parameters.errors import UsageError


@dataclass(frozen=True)
class Range:
    """The two ends of a uniform distribution; equal ends fix the value.

    Parameters
    ----------
    low, high : float
        Finite, ``low <= high``.

    Raises
    ------
    UsageError
        When an end is not finite or ``low > high``.
    """

    low: float
    high: float

    def __post_init__(self):
        for end in (self.low, self.high):
            if isinstance(end, bool) or not isinstance(end, Real) or not math.isfinite(end):
                raise UsageError(f"a range needs two finite ends; received {self.low!r},{self.high!r}")
        object.__setattr__(self, "low", float(self.low) + 0.0)  # -0.0 and 0.0 are one value
        object.__setattr__(self, "high", float(self.high) + 0.0)
        if self.low > self.high:
            raise UsageError(f"the lower end of a range must come first; received {self.low!r},{self.high!r}")

    @property
    def is_fixed(self) -> bool:
        """Whether both ends are equal."""
        return self.low == self.high

    def __str__(self) -> str:
        return f"{self.low!r},{self.high!r}"


@dataclass(frozen=True)
class Column:
    r"""Describe a column of ``labels.csv``: a quantity of each image, which a network can learn.

    Parameters
    ----------
    name : str
        Name in the file: ``src-center-x``.
    unit : str or None
    symbol : str
        TeX, without dollar signs.
    help : str
        Description in one line.
    prior : (float, float) or None
        Ends of the uniform distribution from which the column is drawn.
    drawn : bool
        False for a column that is derived from others.
    spin : int or None
        Behaviour under a rotation of the sky by an angle a. 0: the column does not change (or is itself an angle; no
        angle is a label). 1 or 2: the column is a component of a pair that rotates by a (a position) or by 2 a (an
        ellipticity, a shear). None: unknown, since an old manifest does not contain spins.
    pair : (str, str) or None
        For a spin of 1 or 2: the names of the components along x and y (or cosine and sine), this column included.
    """

    name: str
    unit: str | None
    symbol: str
    help: str
    prior: tuple[float, float] | None = None
    drawn: bool = True
    spin: int | None = 0
    pair: tuple[str, str] | None = None

    @property
    def axis_text(self) -> str:
        """Text for an axis of a figure: symbol (or name, if there is no symbol) and unit in brackets."""
        quantity = f"${self.symbol}$" if self.symbol else self.name
        return f"{quantity} [{self.unit}]" if self.unit else quantity

    def to_dict(self) -> dict:
        """Return plain data for JSON."""
        prior = None if self.prior is None else list(self.prior)
        data = {
            "name": self.name,
            "unit": self.unit,
            "symbol": self.symbol,
            "help": self.help,
            "prior": prior,
            "drawn": self.drawn,
            "spin": self.spin,
        }
        return data if self.pair is None else data | {"pair": list(self.pair)}

    @classmethod
    def from_dict(cls, data: dict) -> "Column":
        """Return the column that `to_dict` described.

        Raises
        ------
        KeyError, TypeError, ValueError
            When the description is damaged.
        """
        unit, prior, spin, pair = data["unit"], data["prior"], data.get("spin"), data.get("pair")
        if prior is not None:
            low, high = prior
            prior = (float(low), float(high))
        if pair is not None:
            first, second = pair
            pair = (str(first), str(second))
        return cls(
            name=str(data["name"]),
            unit=None if unit is None else str(unit),
            symbol=str(data["symbol"]),
            help=str(data["help"]),
            prior=prior,
            drawn=bool(data["drawn"]),
            spin=None if spin is None else int(spin),
            pair=pair,
        )


def number_text(value: float) -> str:
    """Return a number as short text that can be read back: 0.00001, 20, 1e7, 2^63-1."""
    if isinstance(value, int) and value >= 2**31 and (value + 1).bit_count() == 1:
        return f"2^{value.bit_length()}-1"
    plain = f"{value:.10f}".rstrip("0").rstrip(".")
    is_plain = value == 0 or 1e-5 <= abs(value) < 1e10
    if is_plain and float(plain) == value and not plain.endswith("000000"):
        return plain
    short = f"{value:g}"
    digits, _, exponent = (short if float(short) == value else repr(value)).partition("e")
    return f"{digits}e{int(exponent)}" if exponent else digits
