import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import params_and_cli as panel
from stronglens import telescope
from stronglens.parameters import RunError, UsageError
from stronglens.regression.lens_posteriors import find_simulation
from stronglens.simulation.chunks import plan_simulation
from stronglens.simulation.lens_simulator import LensSimulator

SIGMA_OF_FWHM = 1 / np.sqrt(8 * np.log(2))
ON_THE_SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}


def gaussian(size, fwhm=1.6, x=0.0, y=0.0):
    """A Gaussian with a FWHM in pixels at pixel centres; x and y are relative to the centre of the stamp."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (fwhm * SIGMA_OF_FWHM) ** 2))


def moffat(size, beta, fwhm=1.6):
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return (1 + 4 * (rows**2 + columns**2) * (2 ** (1 / beta) - 1) / fwhm**2) ** -beta


def noise(size, seed):
    return np.random.default_rng(seed).normal(0, 1 / 1100, (size, size))


@pytest.fixture
def read(tmp_path):
    """Write pixels and header cards to a file and read it as a PSF, with its notes."""

    def write_and_read(pixels, pixel_scale=0.1, **cards):
        header = fits.Header(list(cards.items()))
        fits.writeto(tmp_path / "psf.fits", pixels, header, overwrite=True)
        return telescope.read_psf(tmp_path / "psf.fits", pixel_scale)

    return write_and_read


def measure(psf):
    """Peak, light beyond 5 pixels, centroid (x, y) and FWHM from second moments, pixels."""
    rows, columns = np.indices(psf.shape) - psf.shape[0] // 2
    centroid = (psf * columns).sum(), (psf * rows).sum()
    width = np.sqrt((psf * (rows**2 + columns**2)).sum() / 2)
    return psf.max(), psf[np.hypot(rows, columns) > 5].sum(), centroid, width / SIGMA_OF_FWHM


@pytest.mark.parametrize("size", [24, 25])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (0.3, -0.1), (-0.5, 0.5)])
def test_recentring_keeps_the_width(read, size, x, y):
    psf, _ = read(gaussian(size, x=x, y=y))
    peak, _, centroid, fwhm = measure(psf)
    assert psf.shape[0] % 2 == 1
    assert psf.sum() == pytest.approx(1)
    assert centroid == pytest.approx((0, 0), abs=1e-4)
    # Of a Gaussian of FWHM 1.6 pixels: sampled at pixel centres it has a peak of 1 / (2 pi sigma^2) = 0.345. Linear
    # interpolation by half a pixel adds 1/4 pixel^2 to the variance of each axis: FWHM 1.98, peak 0.20.
    assert fwhm == pytest.approx(1.6, rel=0.01)
    assert peak == pytest.approx(0.345, rel=0.01)
    middle = slice(psf.shape[0] // 2 - 4, psf.shape[0] // 2 + 5)
    np.testing.assert_allclose(psf[middle, middle], telescope.gaussian_psf(0.16, 0.1), atol=1e-5)


@pytest.mark.parametrize("beta", [1.5, 2.5, 4.765])
def test_recentring_keeps_a_moffat_function(read, beta):
    psf, notes = read(moffat(60, beta))
    expected = moffat(61, beta)
    # The wings of the even-sized stamp end half a pixel earlier.
    np.testing.assert_allclose(psf, expected / expected.sum(), atol=1e-5)
    assert len(notes) == 1  # its wings, r^-3 at beta 1.5, are no background


def test_recentring_keeps_what_is_no_such_function(read):
    """Sum of four Gaussians of FWHM 3.5 pixels: it is band-limited and skewed, and its shifted values are known."""
    places = [(1, 0.0, 0.0), (0.4, 2.1, 0.7), (0.2, -1.5, 3.0), (0.1, 4.0, -4.0)]

    def draw(x, y):
        return sum(weight * gaussian(41, 3.5, x + dx, y + dy) for weight, dx, dy in places)

    first, second = read(draw(0, 0))[0], read(draw(0.4, -0.3))[0]
    assert np.abs(first - second).max() < 2e-3 * first.max()  # linear interpolation: 0.05


@pytest.mark.parametrize("size", [24, 41, 64])
@pytest.mark.parametrize("background", [0.0, 0.02, -0.02, 30.0])
def test_noise_and_background_are_not_taken_for_wings(read, size, background):
    for seed in range(3):
        psf, notes = read(gaussian(size, x=0.2, y=-0.1) + noise(size, seed) + background)
        peak, beyond, centroid, fwhm = measure(psf)
        # Clipped at zero, noise of 1/1,100 of the peak has a mean of 0.4 sigma: 16 % of the light in 64 x 64 pixels.
        assert beyond == pytest.approx(0, abs=0.01)
        assert centroid == pytest.approx((0, 0), abs=0.02)
        assert fwhm == pytest.approx(1.6, rel=0.02)
        assert peak == pytest.approx(0.345, rel=0.01)
        assert ("a background of" in " ".join(notes)) == (background != 0)


def test_negative_pixels_of_the_core_are_kept(read):
    psfs = [read(gaussian(41, 3.0) + 10 * noise(41, seed))[0] for seed in range(10)]
    assert min(psf.min() for psf in psfs) < 0
    # The mean of ten is nearer to the truth than their clipped versions: (0.4 sigma in each pixel).
    wings = [psf[len(psf) // 2, len(psf) // 2 + 4] for psf in psfs if len(psf) > 9]
    assert np.mean(wings) == pytest.approx(gaussian(41, 3.0)[20, 24] / gaussian(41, 3.0).sum(), abs=5e-4)


def test_faint_wings_survive_noise(read):
    truth = moffat(65, 2.5, 3.0)
    share = measure(truth / truth.sum())[1]
    for seed in range(3):
        assert measure(read(moffat(64, 2.5, 3.0) + noise(64, seed))[0])[1] == pytest.approx(share, abs=0.01)


def test_a_neighbour_is_cut_off(read):
    psf, _ = read(gaussian(41) + 0.3 * gaussian(41, x=-12, y=8) + noise(41, 0))
    assert measure(psf)[1] == pytest.approx(0, abs=0.01)
    assert measure(psf)[2] == pytest.approx((0, 0), abs=0.02)


def test_simulated_images_bear_negative_pixels(read):
    """Images with PSF are clipped at zero, as Poisson numbers need; the flux of a point changes by at most 1 %."""
    psf, _ = read(gaussian(41, 3.0) + noise(41, 2))
    assert psf.min() < 0
    half = psf.shape[0] // 2
    point = np.zeros((1, 40 + 2 * half, 40 + 2 * half), np.float32)
    point[0, 20 + half, 20 + half] = 100
    camera = telescope.Telescope(0.1, psf, 1000.0, 1, 0.1, 4.0, 25.0)
    rate, _ = telescope.observe(point, None, camera)
    assert rate.sum() == pytest.approx(100, rel=0.01)
    assert np.isfinite(telescope.add_noise(rate, camera, [np.random.default_rng(0)])).all()


@pytest.mark.parametrize("stated", [0.02, 0.05, 0.07, 0.12])
def test_a_stated_pixel_scale_is_resampled(read, stated):
    psf, notes = read(gaussian(int(4.1 / stated), 0.16 / stated, x=0.3), PIXELSCL=stated)
    assert measure(psf)[3] == pytest.approx(1.6, rel=0.01)  # as if sampled at 0.1: 0.8" for 0.16" in pixels of 0.02"
    np.testing.assert_allclose(psf.max(), 0.345, rtol=0.01)
    assert "FWHM 0.16 arcsec" in notes[0]
    assert f"resampled from pixels of {stated:g} arcsec" in notes[0]


def test_resampling_agrees_with_the_optical_model(read):
    """GalSim's star in pixels five times finer, and in the pixels of the image."""
    from stronglens.telescope.optics import build_star
    from stronglens.telescopes import TELESCOPES

    star = build_star(TELESCOPES["euclid"].optics)
    fine = star.drawImage(nx=205, ny=205, scale=0.02, method="no_pixel").array.astype(float)
    expected = star.drawImage(nx=41, ny=41, scale=0.1, method="no_pixel").array.astype(float)
    psf, _ = read(fine, PIXELSCL=0.02)
    # Detail finer than twice a pixel is sampled there and left out here: 1.8 % of the peak.
    assert np.abs(psf - expected / expected.sum()).max() < 0.025 * psf.max()


@pytest.mark.parametrize(("name", "scale"), [("hst", 0.05), ("euclid", 0.1)])
@pytest.mark.parametrize(("size", "offset"), [(41, (0, 0)), (41, (0.3, 0.2)), (40, (0, 0)), (40, (0.25, 0))])
def test_recentring_of_undersampled_stars(read, name, scale, size, offset):
    """GalSim's star averaged over its pixel, FWHM 1.65 pixels, with diffraction rings: its spectrum is aliased."""
    from stronglens.telescope.optics import build_star
    from stronglens.telescopes import TELESCOPES

    star = build_star(TELESCOPES[name].optics)
    expected = star.drawImage(nx=41, ny=41, scale=scale).array.astype(float)
    psf, _ = read(star.drawImage(nx=size, ny=size, scale=scale, offset=offset).array.astype(float), scale)
    # Linear interpolation by half a pixel: -40 %; sinc interpolation alone: -5 and -10 %.
    assert psf.max() == pytest.approx((expected / expected.sum()).max(), rel=0.06)


@pytest.mark.parametrize(
    "cards",
    [
        {"PIXSCALE": 0.05},
        {"PIXSCALE": "0.05"},
        {"GS_SCALE": 0.05, "CTYPE1": "LINEAR", "CD1_1": 0.05, "CD2_2": 0.05, "GS_WCS": "PixelScale"},
        {"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CD1_1": -0.05, "CD2_2": 0.05, "GS_WCS": "JacobianWCS"},
        {**ON_THE_SKY, "CDELT1": -0.05 / 3600, "CDELT2": 0.05 / 3600, "CROTA2": 30.0},
        {**ON_THE_SKY, "CDELT1": -0.05 / 3600, "CDELT2": 0.05 / 3600, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6,
         "PC2_2": 0.8},
        {**ON_THE_SKY, "CD1_1": -0.03 / 3600, "CD1_2": 0.04 / 3600, "CD2_1": 0.04 / 3600, "CD2_2": 0.03 / 3600},
        {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CDELT1": 0.05, "CDELT2": 0.05},
        {"PIXELSCL": 0.05, "OVERSAMP": 2, "DET_SAMP": 2},  # STPSF: after oversampling
    ],
)  # fmt: skip
def test_ways_to_state_a_pixel_scale(read, cards):
    psf, notes = read(gaussian(40, 3.2), **cards)
    assert "resampled from pixels of 0.05 arcsec" in notes[0]
    assert measure(psf)[3] == pytest.approx(1.6, rel=0.01)


@pytest.mark.parametrize(
    ("cards", "how"),
    [
        ({}, "no pixel scale in the header; assumed 0.1 arcsec"),
        ({"CDELT1": 1.0, "CDELT2": 1.0}, "no pixel scale"),  # without a unit: a default that many programs write
        ({"PIXELSCL": 0.01, "PIXUNIT": "meter"}, "no pixel scale"),
        ({"PIXSCALE": "unknown"}, "no pixel scale"),
        ({"PIXSCALE": 0.0995}, "pixels as in the header"),
    ],
)
def test_pixels_taken_as_they_are(read, cards, how):
    psf, notes = read(gaussian(25), **cards)
    assert how in notes[0]
    np.testing.assert_allclose(psf, gaussian(25) / gaussian(25).sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({**ON_THE_SKY, "CDELT1": -0.1 / 3600, "CDELT2": 0.12 / 3600}, "not square"),
        ({**ON_THE_SKY, "CD1_1": 0.1 / 3600, "CD1_2": 0.02 / 3600, "CD2_2": 0.1 / 3600}, "not square"),  # sheared
        ({"PIXSCAL1": 0.1, "PIXSCAL2": 0.12}, "several pixel scales"),
        ({**ON_THE_SKY, "CDELT1": -0.1 / 3600, "CDELT2": 0.1 / 3600, "PIXSCALE": 0.025}, "several pixel scales"),
        ({"OVERSAMP": 4}, "OVERSAMP = 4 but no pixel scale"),
        ({"PIXSCALE": 0.2}, "too coarse for --pixel-scale=0.1"),
        ({"PIXSCALE": 2.8e-5}, "narrower than three"),  # degrees
    ],
)
def test_pixels_that_cannot_be_used(read, cards, message):
    with pytest.raises(RunError, match=message):
        read(gaussian(25), **cards)


def test_rows_of_fits_count_from_the_bottom(read):
    psf, _ = read(gaussian(25, 3) + 0.2 * gaussian(25, 3, x=3, y=-7))
    assert psf[:12].sum() < psf[13:].sum()
    assert psf[19, 15] > 0.1 * psf.max()


@pytest.mark.parametrize("kind", ["u2", "i2", "scaled", "f4", "cube", "gz", "fz"])
def test_kinds_of_files(tmp_path, kind):
    pixels = gaussian(24) * 30000
    if kind in ("u2", "i2"):
        hdu = fits.PrimaryHDU(pixels.astype(kind))
    elif kind == "scaled":
        hdu = fits.PrimaryHDU(pixels.astype(np.float32))
        hdu.scale("int16", bscale=2.0, bzero=100.0)
    else:
        hdu = fits.PrimaryHDU(pixels.astype(np.float32)[None] if kind == "cube" else pixels.astype(np.float32))
    path = tmp_path / {"gz": "psf.fits.gz", "fz": "psf.fits.fz"}.get(kind, "psf.fits")
    if kind == "fz":
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels.astype(np.float32))]).writeto(path)
    else:
        hdu.writeto(path)
    psf, _ = telescope.read_psf(path, 0.1)
    peak, _, _, fwhm = measure(psf)
    assert (peak, fwhm) == pytest.approx((0.345, 1.6), rel=0.01)


def make_file_of_several(path):
    fits.HDUList([
        fits.PrimaryHDU(),
        fits.ImageHDU(gaussian(24), name="PSF"),
        fits.ImageHDU(gaussian(24, 3.2), name="PSF", ver=2),
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])], name="STARS"),
        fits.ImageHDU(np.ones((3, 24, 24)), name="CUBE"),
    ]).writeto(path)  # fmt: skip


@pytest.mark.parametrize(("extension", "fwhm"), [("1", 1.6), ("psf", 1.6), ("PSF,2", 3.2), (" 2 ", 3.2)])
def test_an_extension_is_chosen(tmp_path, extension, fwhm):
    make_file_of_several(tmp_path / "psf.fits")
    psf, notes = telescope.read_psf(f"{tmp_path}/psf.fits[{extension}]", 0.1)
    assert measure(psf)[3] == pytest.approx(fwhm, rel=0.01)
    assert "psf.fits[PSF]" in notes[0]


@pytest.mark.parametrize(
    ("extension", "error", "message"),
    [
        ("", RunError, r"2 two-dimensional images; choose one with --psf-fits=.*\[EXTENSION\]: 1 PSF, 2 PSF"),
        ("[9]", UsageError, "this extension does not exist; the file has 0 PRIMARY, 1 PSF, 2 PSF, 3 STARS, 4 CUBE"),
        ("[0]", RunError, "not a single image"),
        ("[STARS]", RunError, "a table"),
        ("[CUBE]", RunError, "3 x 24 x 24"),
    ],
)
def test_an_extension_that_is_not_an_image(tmp_path, extension, error, message):
    make_file_of_several(tmp_path / "psf.fits")
    with pytest.raises(error, match=message) as caught:
        telescope.read_psf(f"{tmp_path}/psf.fits{extension}", 0.1)
    assert "\n" not in str(caught.value)


def test_pixels_without_a_value(read):
    for value in (np.nan, np.inf, 0.0):
        masked = gaussian(41) + noise(41, 0)
        masked[:3] = masked[:, -3:] = masked[30, 20] = value
        assert measure(read(masked)[0])[3] == pytest.approx(1.6, rel=0.02)
    for place in ((20, 20), (19, 21)):
        masked = gaussian(41)
        masked[place] = np.nan
        with pytest.raises(RunError, match="not finite in its core"):
            read(masked)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((21, 21)), np.ones((21, 21)), -gaussian(21), np.full((21, 21), np.nan), gaussian(25, x=8, y=-8),
     noise(41, 0), np.ones((2, 2)), np.ones(9)],
)  # fmt: skip
def test_what_is_no_star_is_refused(read, pixels):
    with pytest.raises(RunError, match=r"psf\.fits") as caught:
        read(pixels)
    assert "\n" not in str(caught.value)


def test_psf_far_from_the_centre_is_refused(read):
    psf = np.zeros((21, 21))
    psf[2, 3] = 1
    with pytest.raises(RunError, match="far from the centre"):
        read(psf)


def test_a_single_bright_pixel_is_no_blur(read):
    point = np.zeros((21, 21))
    point[10, 10] = 5
    psf, _ = read(point)
    np.testing.assert_allclose(psf, np.pad([[1.0]], psf.shape[0] // 2), atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"SIMPLE  = nonsense", b"\x00" * 3000])
def test_damaged_psf_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "psf.fits"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"psf\.fits") as caught:
        telescope.read_psf(path, 0.1)
    assert "\n" not in str(caught.value)


def test_missing_psf_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"cannot read a PSF from .*: no such file"):
        telescope.read_psf(tmp_path / "none.fits[PSF]", 0.1)
    with pytest.raises(RunError, match="it is a folder"):
        telescope.read_psf(tmp_path, 0.1)


def test_the_terminal_says_what_was_read(tmp_path):
    fits.writeto(tmp_path / "psf.fits", gaussian(48, 3.2), fits.Header([("PIXSCALE", 0.05)]))
    parameters = panel.RegressionSimulation.of(overrides=panel.OVERRIDES, psf_fits=tmp_path / "psf.fits")
    title = plan_simulation(LensSimulator, parameters, "0").title
    assert "psf.fits, FWHM 0.16 arcsec, 25x25 pixels; resampled from pixels of 0.05 arcsec" in title.splitlines()[1]
    without = plan_simulation(LensSimulator, panel.RegressionSimulation.of(overrides=panel.OVERRIDES), "0").title
    assert len(without.splitlines()) == 1


@pytest.mark.skipif("STRONGLENS_DATA" not in os.environ, reason="STRONGLENS_DATA does not name real data")
@pytest.mark.parametrize(
    ("file", "scale", "fwhm"),
    [
        ("real_lenses/slacs_j0946+1006/psf.fits", 0.05, 0.085),
        ("real_lenses/jwst_cosj095914+021219/psf.fits", 0.06, 0.124),
        ("real_lenses/euclid_q1_102018665/data.fits[VIS_PSF]", 0.1, 0.17),
    ],
)
def test_real_files_keep_their_light(file, scale, fwhm):
    data = Path(os.environ["STRONGLENS_DATA"])
    psf, notes = telescope.read_psf(data / file, scale)
    path, _, extension = file.partition("[")
    pixels = fits.getdata(data / path, extension.rstrip("]") or 0)
    assert len(notes) == 1
    assert psf.shape == pixels.shape
    assert f"FWHM {fwhm:.2f}" in notes[0] or f"FWHM {fwhm:.3g}" in notes[0]
    # Centred to a tenth of a pixel: what the shift does to the brightest pixel is small.
    assert psf.max() == pytest.approx(pixels.max() / pixels.sum(), rel=0.03)


def test_a_network_finds_the_psf_that_it_learned_from(tmp_path):
    path = tmp_path / "psf.fits"
    fits.writeto(path, gaussian(24))
    made_with = panel.RegressionSimulation.of(overrides=panel.OVERRIDES, psf_fits=path)
    record = {"simulation": {}, "psf": LensSimulator(made_with).describe()["telescope"]["psf"]}
    assert find_simulation(record, lambda _: made_with) is made_with
    fits.writeto(path, gaussian(24, 2.0), overwrite=True)
    with pytest.raises(RunError, match="no longer the point-spread function"):
        find_simulation(record, lambda _: made_with)
    path.unlink()
    with pytest.raises(RunError, match=r"no model image: .*: no such file"):
        find_simulation(record, lambda _: made_with)
