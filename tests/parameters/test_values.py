import json
import math

import pytest

from stronglens.parameters import Column, Range, UsageError
from stronglens.parameters.values import number_text


def test_a_range_holds_floats_in_order():
    assert Range(0, 1) == Range(0.0, 1.0)
    assert str(Range(0.3, 1)) == "0.3,1.0"
    assert Range(2, 2).is_fixed
    assert not Range(0, 2).is_fixed
    assert math.copysign(1, Range(-0.0, 0.0).low) == 1


@pytest.mark.parametrize("ends", [(1, 0), (math.nan, 1), (0, math.inf), (True, 2), ("0", 1), (None, None)])
def test_a_range_refuses_what_is_none(ends):
    with pytest.raises(UsageError, match="range"):
        Range(*ends)


def test_a_column_survives_json():
    drawn = Column("src-center-x", "arcsec", r"x_{\rm src}", "x of the source", prior=(-0.4, 0.4))
    derived = Column("magnification", None, r"\mu", "flux ratio", drawn=False)
    turning = Column("shear-1", None, "g", "shear", prior=(-0.1, 0.1), spin=2, pair=("shear-1", "shear-2"))
    for column in (drawn, derived, turning):
        assert Column.from_dict(json.loads(json.dumps(column.to_dict()))) == column
    assert drawn.axis_text == r"$x_{\rm src}$ [arcsec]"
    assert derived.axis_text == r"$\mu$"


def test_a_column_written_before_there_were_spins_does_not_say_it_has_none():
    old = Column("magnification", None, r"\mu", "flux ratio", drawn=False).to_dict()
    del old["spin"]
    assert Column.from_dict(old).spin is None


@pytest.mark.parametrize("damage", [{}, {"name": "a"}, None, {"name": "a", "unit": None, "symbol": "", "help": "",
                                                              "drawn": True, "prior": [1, 2, 3]}])  # fmt: skip
def test_a_damaged_column_is_refused(damage):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Column.from_dict(damage)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00001, "0.00001"), (1e-6, "1e-6"), (20, "20"), (3.0, "3"), (-0.9, "-0.9"), (10_000_000, "1e7"), (1e9, "1e9"),
     (65_536, "65536"), (2**63 - 1, "2^63-1"), (1e300, "1e300"), (0, "0"), (1.23456789e-7, "1.23456789e-7")],
)  # fmt: skip
def test_numbers_are_written_short_and_without_loss(value, text):
    assert number_text(value) == text
