"""Published values: assigned to files, and compared for equal conventions only."""

import numpy as np
import pytest

from stronglens.parameters import Column, RunError
from stronglens.regression.prediction import find_limits
from stronglens.regression.published import (
    POSTERIOR_COLUMNS,
    PublishedTable,
    derive_quantities,
    posterior_rows,
    posterior_table,
    summarize,
)

SIE = Column("einstein-radius-sie", "arcsec", r"\theta_{\rm E,SIE}", "")
CIRCLE = Column("einstein-radius", "arcsec", r"\theta_{\rm E}", "")
ELLIPTICITY = [Column("lens-ellip-x", None, "e_x", ""), Column("lens-ellip-y", None, "e_y", "")]


def write(tmp_path, text):
    path = tmp_path / "published.csv"
    path.write_text(text)
    return path


def test_rows_are_found_by_file_and_name(tmp_path):
    table = PublishedTable(
        write(tmp_path, "name,file,einstein-radius-sie\nj1,a/data.fits,1.1\nj2,b/data.fits,1.2\nj22,,1.3\n"), [SIE]
    )
    assert table.of("/x/a/data.fits").values == {"einstein-radius-sie": 1.1}
    assert table.of("b/data.fits").values == {"einstein-radius-sie": 1.2}
    assert table.of("/x/j22_f814w.fits").values == {"einstein-radius-sie": 1.3}  # the longer name, not j2
    nothing = table.of("/x/aa/data.fits")
    assert (nothing.values, nothing.is_listed) == ({}, False)
    assert nothing.notes[0].endswith("published.csv has no row for this image")
    spreadsheet = PublishedTable(write(tmp_path, "file,axis_ratio,,\nd.fits,0.8,,\n"), [SIE])  # as they save it
    assert spreadsheet.of("d.fits").is_listed
    with pytest.raises(RunError, match="lines 2, 3"):
        PublishedTable(write(tmp_path, "file,axis_ratio\nd.fits,0.8\nd.fits,0.7\n"), [SIE]).of("d.fits")


@pytest.mark.parametrize(
    ("convention", "columns", "is_compared", "note"),
    [
        ("intermediate axis", [SIE], True, None),
        ("effective", [SIE], False, "'effective' (required: intermediate axis)"),
        ("", [SIE], False, "no stated convention"),
        ("Intermediate axis", [CIRCLE], False, "circular: not compared"),
    ],
)
def test_only_radii_of_one_convention_are_compared(tmp_path, convention, columns, is_compared, note):
    text = f"file,einstein_radius_arcsec,einstein_radius_convention,z_lens\nd.fits,1.4,{convention},0.2\n"
    lens = PublishedTable(write(tmp_path, text), columns).of("d.fits")
    assert lens.values == ({"einstein-radius-sie": 1.4} if is_compared else {})
    assert (note is None and not lens.notes) or note in lens.notes[0]
    assert (lens.z_lens, lens.z_source) == (0.2, None)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("z_lens,axis_ratio\n0.2,0.8\n", "a column file"),
        ("file,reference\nd.fits,me\n", "no column to compare;"),
        ("file,axis_ratio\nd.fits,round\n", "line 2: axis_ratio is 'round', not a number"),
        ("file,axis_ratio\nd.fits,1.2\n", "line 2: axis_ratio is 1.2"),
        ("file,axis_ratio\nd.fits,0.8,3\n", "line 2: more cells"),
        ("file,axis_ratio,axis_ratio\nd.fits,0.8,3\n", "axis_ratio occurs twice"),
        ("file,axis_ratio\n", "no rows"),
        ('file,axis_ratio\n"d.fits,0.8\ne.fits,0.7\n', "is a quotation mark left open"),
        ("file,axis_ratio\n\n\nd.fits,round\n", "line 4: axis_ratio"),
    ],
)
def test_an_unusable_table_is_refused_in_one_line(tmp_path, text, match):
    with pytest.raises(RunError, match=match) as error:
        PublishedTable(write(tmp_path, text), [SIE])
    assert "\n" not in str(error.value)


def test_no_such_table(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        PublishedTable(tmp_path / "none.csv", [SIE])


def test_derived_quantities_follow_the_samples():
    samples = np.array([[1.0, 0.3, 0.0], [1.0, 0.0, 0.0]])
    columns, values = derive_quantities([CIRCLE, *ELLIPTICITY], samples, "sie")
    assert [column.name for column in columns[3:]] == ["einstein-radius-sie", "lens-axis-ratio"]
    np.testing.assert_allclose(values[:, 4], [0.7 / 1.3, 1])
    np.testing.assert_allclose(values[:, 3], [1 / 0.9766, 1], atol=1e-4)  # 2.3 % at q = 0.54
    assert len(derive_quantities([CIRCLE, *ELLIPTICITY], samples, "composite")[0]) == 3
    assert len(derive_quantities([CIRCLE], samples[:, :1], "sie")[0]) == 1  # without ellipticity it stays the circle's


def test_the_intermediate_axis_of_a_power_law_follows_where_its_slope_was_learned():
    slope = Column("mass-slope", None, r"\gamma", "")
    samples = np.array([[1.0, 0.3, 0.0, 2.0]])
    columns, values = derive_quantities([CIRCLE, *ELLIPTICITY, slope], samples, "powerlaw")
    assert [column.name for column in columns[4:]] == ["einstein-radius-sie", "lens-axis-ratio"]
    np.testing.assert_allclose(values[0, 4], 1 / 0.9766, atol=1e-4)  # as of an isothermal ellipsoid
    columns, _ = derive_quantities([CIRCLE, *ELLIPTICITY], samples[:, :3], "powerlaw")
    assert [column.name for column in columns[3:]] == ["lens-axis-ratio"]


def test_summaries_at_the_terminal_and_in_the_table(tmp_path):
    samples = np.random.default_rng(0).normal([1.4, 0.0, 0.0], [0.02, 0.01, 0.01], (4000, 3))
    columns, values = derive_quantities([SIE, *ELLIPTICITY], samples, "sie")
    summaries = summarize(columns, values, {"einstein-radius-sie": 1.42, "lens-axis-ratio": 0.5})
    assert summaries[0].is_inside
    assert summaries[0].difference == pytest.approx(1.4 / 1.42 - 1, abs=1e-3)
    assert summaries[1].is_inside is None
    assert summaries[3].is_inside is False
    lines = posterior_table("d.fits", summaries, ["a note"])
    assert lines[0] == "d.fits"
    assert "-1.4%" in lines[2]
    assert lines[2].endswith("yes")
    assert lines[-2].endswith("NO")
    assert lines[-1].strip() == "a note"
    rows = [dict(zip(POSTERIOR_COLUMNS, row, strict=True)) for row in posterior_rows(summaries, 99.31)]
    assert rows[0]["unlike-percentile"] == "99.3"
    assert [row["label"] for row in rows] == [column.name for column in columns]
    assert float(rows[0]["p97.5"]) - float(rows[0]["p2.5"]) == pytest.approx(2 * 1.96 * 0.02, rel=0.1)
    assert rows[0]["inside-95"] == "yes"
    assert rows[1]["published"] == ""


def test_the_real_lenses_table_is_read(real_data):
    table = PublishedTable(real_data / "real_lenses" / "published.csv", [SIE, *ELLIPTICITY])
    lens = table.of(real_data / "real_lenses" / "slacs_j1430+4105" / "data.fits")
    assert lens.values == {"einstein-radius-sie": 1.52, "lens-axis-ratio": 0.68}  # Bolton et al. 2008
    assert lens.z_source == 0.575
    assert not table.of(real_data / "real_lenses" / "euclid_q1_102018665" / "data.fits").values


def test_a_posterior_at_the_end_of_a_range_is_a_limit():
    random = np.random.default_rng(0)
    columns = [Column(name, None, "", "", prior=(0.5, 2.5)) for name in ("inside", "piled", "unknown", "fixed")]
    columns[3] = Column("magnification", None, "", "", drawn=False)
    inside, piled = random.normal(1.0, 0.1, 1000), np.minimum(random.normal(2.5, 0.02, 1000), 2.4999)
    draws = np.stack([inside, piled, random.uniform(0.5, 2.5, 1000), np.full(1000, 3.0)], axis=1)
    (line,) = find_limits(columns, draws)
    assert line.endswith("limits rather than measurements: piled (2.5)")
    assert find_limits(columns, np.delete(draws, 1, axis=1)[:, [0, 0, 1, 2]]) == []
