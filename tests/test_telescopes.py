"""Records of telescopes: completeness, and comparison with values from other codes."""

from dataclasses import fields

import galsim
import numpy as np
import pytest

import params_and_cli as panel
from stronglens import telescope
from stronglens.parameters import UsageError
from stronglens.simulation.instrument import make_telescope
from stronglens.telescope.optics import build_star
from stronglens.telescopes import TELESCOPES, Settings, find_band


def parameters_of(name, **values):
    return panel.RegressionSimulation.of(panel.OVERRIDES, telescope=name, **values)


@pytest.mark.parametrize("name", TELESCOPES)
def test_every_record_is_complete(name):
    record = TELESCOPES[name]
    parameters = parameters_of(name)  # refuses what is not physically possible
    for field in fields(Settings):
        value = getattr(record.settings, field.name)
        assert type(value) is field.type
        assert getattr(parameters, field.name) == value
    assert bool(record.optics) != bool(record.without_optics)
    is_real = bool(record.settings.exposure_time)
    assert is_real == bool(record.instrument) == bool(record.band) == bool(record.header)
    for key, value in record.header.items():
        assert key in ("telescope", "instrument", "filter")
        assert value.isalnum()
        assert value == value.upper()
    # An Einstein radius of 1.5 arcsec, its arcs' width, and some sky around.
    assert record.settings.grid_size * record.settings.pixel_scale > 2 * 3


@pytest.mark.parametrize("name", TELESCOPES)
def test_optical_point_spread_function_or_the_reason_why_not(name):
    record = TELESCOPES[name]
    if record.optics:
        psf = make_telescope(parameters_of(name, psf_model="optical")).psf
        assert psf.sum() == pytest.approx(1)
    else:
        with pytest.raises(UsageError, match=f"--psf-model=optical does not apply to --telescope={name}: ") as refusal:
            make_telescope(parameters_of(name, psf_model="optical"))
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("camera", "band"),
    [
        ({"telescope": "Euclid", "instrument": "VIS"}, "VIS"),
        ({"instrument": "ACS", "filter": "F606W"}, "F606W"),
        ({"instrument": "ACS"}, ""),
        ({}, ""),
    ],
)
def test_band_of_a_header(camera, band):
    assert find_band(camera) == band


def test_hubbles_zero_point_is_that_of_its_mirror_and_band():
    band = galsim.Bandpass("ACS_wfc_F814W.dat", "nm").withZeropoint("AB")
    mirror = np.pi * 120**2  # cm^2; the file's throughput has the obstruction in it
    # GalSim's file is of another year than the calibration that the record cites.
    assert TELESCOPES["hst"].settings.zero_point == pytest.approx(band.zeropoint + 2.5 * np.log10(mirror), abs=0.05)


def test_roman_counts_what_galsim_counts():
    from galsim import roman

    band = roman.getBandpass("J129")
    camera = make_telescope(parameters_of("roman"))
    sky = roman.getSkyLevel(band, exptime=1) * roman.pixel_scale**2 * (1 + roman.stray_light_fraction)
    sky += roman.thermal_backgrounds["J129"] + roman.dark_current
    assert camera.sky == pytest.approx(sky, rel=0.005)  # magnitudes have two decimals
    assert camera.pixel_scale == roman.pixel_scale
    assert camera.read_noise == roman.read_noise
    star = galsim.SED("CWW_E_ext.sed", "Ang", "flambda").withMagnitude(20, band)
    photons = star.calculateFlux(band) * roman.collecting_area  # a second, whatever the spectrum
    assert 10 ** (0.4 * (camera.zero_point - 20)) == pytest.approx(photons, rel=0.005)


def test_roman_sees_a_star_as_wide_as_galsim_says():
    from galsim import roman

    def width(star):
        """FWHM of a star averaged over pixels: the diameter of a circle as large as the area above half the peak."""
        pixels = galsim.Convolve(star, galsim.Pixel(roman.pixel_scale))
        fine = pixels.drawImage(nx=125, ny=125, scale=0.004, method="no_pixel").array
        return 2 * np.sqrt((fine >= fine.max() / 2).sum() * 0.004**2 / np.pi)

    bare = roman.getPSF(2, "J129", wavelength=1293.6)  # nm, of the band
    jitter, diffusion = galsim.Gaussian(sigma=roman.jitter_rms), galsim.Gaussian(sigma=0.1 * roman.pixel_scale)
    record = TELESCOPES["roman"]
    ours = width(build_star(record.optics))
    assert ours == pytest.approx(width(galsim.Convolve(bare, jitter, diffusion)), rel=0.01)
    # The default Gaussian, before it is sampled: a core without diffraction rings is as wide within a twentieth.
    assert ours == pytest.approx(width(galsim.Gaussian(fwhm=record.settings.psf_fwhm)), rel=0.05)


def test_romans_kernel_is_small_centred_and_keeps_the_light():
    record = TELESCOPES["roman"]
    psf = telescope.optical_psf(record.optics, record.settings.pixel_scale)
    side = len(psf)
    assert side <= 31  # a margin that does not double the pixels of a 64-pixel image's side
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1)
    assert np.unravel_index(psf.argmax(), psf.shape) == (side // 2, side // 2)


def test_rubin_counts_what_its_project_computes():
    """Of syseng_throughputs v1.9, i band, a visit of two exposures of 15 s: sky and limiting magnitude."""
    camera = make_telescope(parameters_of("rubin", exposure_time=30.0, exposures=2))
    assert camera.sky * 30 == pytest.approx(1588.28, rel=0.01)  # electrons in a pixel; magnitudes have two decimals
    star = 10 ** (0.4 * (camera.zero_point - 24.10)) * camera.psf[None]
    noise = telescope.noise_variance(star, camera)
    # 5 sigma at 24.10 mag; a pixel's own blur is not in it.
    assert telescope.signal_to_noise(star, noise)[0] == pytest.approx(5, rel=0.03)


def test_rubin_is_deeper_than_a_visit_by_the_root_of_their_number():
    camera = make_telescope(parameters_of("rubin"))
    star = camera.psf[None] * 1e-3  # faint: noise of the sky and of read-outs alone

    def signal_to_noise(camera):
        return telescope.signal_to_noise(star, telescope.noise_variance(star, camera))[0]

    visit = make_telescope(parameters_of("rubin", exposure_time=30.0, exposures=2))
    assert signal_to_noise(camera) / signal_to_noise(visit) == pytest.approx(np.sqrt(184), rel=1e-3)
