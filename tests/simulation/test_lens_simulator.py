import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

import params_and_cli as panel
from stronglens import cosmology
from stronglens.parameters import RunError, UsageError, parse
from stronglens.raytracing import einstein_radius
from stronglens.simulation.lens_simulator import LensSimulator


def simulator(**values):
    # One size for nearly all: a program is traced and compiled once a process. With sources so narrow that they need
    # refined pixels, that takes three times as long.
    wide = {"src_effect_range": (0.2, 0.4), "src_sersic_range": (0.8, 2.0)}
    values = {"grid_size": 24, "over_sampling": 1, "pixel_scale": 0.25} | wide | values
    return LensSimulator(panel.RegressionSimulation.of(overrides=panel.OVERRIDES, **values))


@pytest.fixture(scope="module")
def composite():
    return simulator()


@pytest.fixture(scope="module")
def composite_labels(composite):
    return composite.simulate(range(128))


def test_images_and_labels(composite, composite_labels):
    images, labels, rejected = composite_labels
    assert images.shape == (128, 24, 24)
    assert images.dtype == np.float32
    assert list(labels) == list(composite.columns)
    assert all(np.isfinite(values).all() for values in labels.values())
    assert rejected["source-before-lens"] == 0  # the default ranges do not overlap


def test_an_image_depends_on_seed_and_index_alone(composite, composite_labels):
    images, labels, _ = composite_labels
    again, labels_again, _ = composite.simulate([100, 3])
    np.testing.assert_array_equal(again[1], images[3])
    np.testing.assert_array_equal(again[0], images[100])
    assert labels_again["snr"][1] == labels["snr"][3]
    assert not np.array_equal(simulator(seed=1).simulate([3])[0][0], images[3])


@pytest.mark.parametrize("lens_model", ["composite", "sie"])
def test_labels_do_not_depend_on_neighbours(lens_model):
    lens_simulator = simulator(lens_model=lens_model)
    images, labels, _ = lens_simulator.simulate(range(60))
    for number in (1, 2, 3, 7, 59):
        fewer, fewer_labels, _ = lens_simulator.simulate(range(number))
        np.testing.assert_array_equal(fewer, images[:number])
        for name, values in fewer_labels.items():
            np.testing.assert_array_equal(values, labels[name][:number], err_msg=f"{name}, {number} images")


@pytest.mark.parametrize("threads", [None, 1])
def test_concurrent_threads_simulate_identical_images(composite_labels, threads):
    images, labels, _ = composite_labels
    parts = [range(start, start + 32) for start in range(0, 128, 32)]
    lens_simulator = LensSimulator(simulator().parameters, threads=threads)  # new: all four come first to its renderer
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lens_simulator.simulate, parts))
    np.testing.assert_array_equal(np.concatenate([part[0] for part in done]), images)
    for name in labels:
        np.testing.assert_array_equal(np.concatenate([part[1][name] for part in done]), labels[name])


@pytest.mark.parametrize(("lens_model", "digest"), [("composite", "26931b5934ffb233"), ("sie", "aff28715c0dbf196")])
def test_default_draws_do_not_change_between_versions(lens_model, digest):
    """Optional quantities do not change the random numbers of other quantities."""
    default = LensSimulator(panel.RegressionSimulation.of(overrides=panel.OVERRIDES, lens_model=lens_model))
    draws = default.draw(range(64)).draws
    drawn = np.stack([draws[name] for name in default.ranges])
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == digest  # of the version before there were any


def test_draws_fill_their_ranges(composite, composite_labels):
    _, labels, _ = composite_labels
    for name, chosen in composite.ranges.items():
        if chosen.is_fixed:
            assert np.all(labels[name] == chosen.low)
        else:
            uniform = stats.uniform(chosen.low, chosen.high - chosen.low)
            assert stats.kstest(labels[name], uniform.cdf).pvalue > 1e-4, name  # 20 columns, fixed seed


def test_source_is_always_behind_the_lens():
    overlapping = simulator(lens_redshift_range=(0.5, 2.0), src_redshift_range=(0.5, 2.0))
    _, labels, rejected = overlapping.simulate(range(64))
    assert np.all(labels["src-redshift"] > labels["lens-redshift"])
    assert rejected["source-before-lens"] > 20  # about as many refused as accepted
    with pytest.raises(UsageError, match="must be behind the lens"):
        simulator(lens_redshift_range=(1.0, 2.0), src_redshift_range=(0.2, 1.0))


@pytest.mark.parametrize("lens_model", ["composite", "sie"])
def test_redshift_effects_can_be_disabled(lens_model):
    fixed = {"lens_model": lens_model, "lens_redshift_range": (0.3, 0.3)}  # equal light has equal noise
    for effects, acts in (("cosmological", True), ("none", False)):
        near = simulator(**fixed, redshift_effects=effects, src_redshift_range=(1.0, 1.0)).simulate([0])[0]
        far = simulator(**fixed, redshift_effects=effects, src_redshift_range=(2.0, 2.0)).simulate([0])[0]
        assert np.array_equal(near, far) != acts


def test_dimming_leaves_the_mass_of_the_lens_alone(composite):
    draws = {name: np.full(2, (chosen.low + chosen.high) / 2) for name, chosen in composite.ranges.items()}
    draws["lens-redshift"] = np.array([0.3, 0.6])
    draws["src-redshift"] = np.full(2, 2.0)
    scene = composite.physical_scene(draws)
    surface_density = scene["masslight_ratio"] * scene["lens_intensity"]
    np.testing.assert_allclose(
        surface_density / surface_density[0],
        cosmology.convergence_scale([0.3, 0.6], 2.0) / cosmology.convergence_scale(0.3, 2.0),
    )
    assert scene["lens_intensity"][0] / scene["lens_intensity"][1] == pytest.approx((1.6 / 1.3) ** 4)


def test_mass_does_not_depend_on_the_telescope():
    for lens_model in ("composite", "sie"):
        euclid, hubble, perfect = (
            LensSimulator(panel.RegressionSimulation.of(panel.OVERRIDES, telescope=name, lens_model=lens_model))
            for name in ("euclid", "hst", "none")
        )
        assert euclid.field == pytest.approx(6.4)
        assert hubble.field == pytest.approx(6.4)
        draws = {name: np.full(1, (chosen.low + chosen.high) / 2) for name, chosen in euclid.ranges.items()}
        houses = (euclid, hubble, perfect)
        radii = [einstein_radius(lens_model, lens_simulator.physical_scene(draws))[0] for lens_simulator in houses]
        assert radii == pytest.approx([radii[0]] * 3, rel=1e-9)


def test_sie_is_drawn_by_dispersion_or_by_radius():
    _, labels, _ = simulator(lens_model="sie", telescope="none").simulate(range(8))
    np.testing.assert_allclose(
        labels["einstein-radius-sie"],
        cosmology.isothermal_einstein_radius(
            labels["velocity-dispersion"], labels["lens-redshift"], labels["src-redshift"]
        ),
    )
    # the circle of mean convergence 1 is smaller than the intermediate axis, by 2.9 % at q = 0.5 (measured)
    ratio = labels["einstein-radius"] / labels["einstein-radius-sie"]
    assert np.all((ratio > 0.95) & (ratio <= 1 + 1e-9))
    by_radius = simulator(lens_model="sie", einstein_radius_range=(1.2, 1.2), telescope="none")
    assert "velocity-dispersion" not in by_radius.ranges
    assert np.all(by_radius.simulate([0])[1]["einstein-radius-sie"] == 1.2)


def test_cuts_reject_and_count_draws():
    cut = simulator(magnification_min=4.0, snr_min=60.0)
    _, labels, rejected = cut.simulate(range(40))
    assert labels["magnification"].min() >= 4
    assert labels["snr"].min() >= 60
    assert rejected["magnification-min"] > 0
    again = cut.simulate(range(40))[1]
    np.testing.assert_array_equal(again["snr"], labels["snr"])
    with pytest.raises(RunError, match="no image accepted in 3 tries"):
        simulator(magnification_min=900.0, tries=3).simulate([0])


def test_a_cut_leaves_images_that_pass_it_as_they_were():
    values = {"lens_model": "sie", "velocity_dispersion_range": (250, 400)}
    images, labels, _ = simulator(**values).simulate(range(32))
    cut_images, cut_labels, rejected = simulator(**values, snr_min=80.0).simulate(range(32))
    passed = labels["snr"] >= 80
    assert rejected["snr-min"] >= (~passed).sum() > 0
    assert passed.any()
    np.testing.assert_array_equal(cut_images[passed], images[passed])
    assert cut_labels["snr"].min() >= 80
    # An image that took several draws is that of its own seed and index too.
    again = simulator(**values, snr_min=80.0).simulate(np.flatnonzero(~passed)[:3])
    np.testing.assert_array_equal(again[0], cut_images[~passed][:3])


def test_light_has_an_ellipticity_of_its_own_when_asked_for():
    values = {"lens_model": "sie", "telescope": "none"}
    _, labels, _ = simulator(**values).simulate(range(8))
    own = simulator(**values, light_ellip_offset_var=0.1)
    _, drawn, _ = own.simulate(range(8))
    assert not any("light-ellip" in name for name in labels)
    for axis in ("x", "y"):
        offset = drawn[f"light-ellip-offset-{axis}"]
        assert 0 < np.abs(offset).max() <= 0.1
        np.testing.assert_array_equal(drawn[f"light-ellip-{axis}"], drawn[f"lens-ellip-{axis}"] + offset)
    assert list(drawn) == list(own.columns)
    one = simulator(**values, light_ellip_offset_x_range=0.1)
    _, drawn, _ = one.simulate(range(4))
    np.testing.assert_array_equal(drawn["light-ellip-y"], drawn["lens-ellip-y"])


@pytest.mark.parametrize("name", ["euclid", "hst"])
def test_magnitudes_are_those_of_the_light_in_the_image(name):
    drawn = simulator(
        telescope=name, lens_model="sie", grid_size=96, pixel_scale=0.1, over_sampling=4, psf_fwhm=0.0,
        lens_magnitude_range=(17, 20), lens_effect_range=0.3, lens_sersic_range=1, einstein_radius_range=0.001,
        src_magnitude_range=(20, 24), src_effect_range=0.2, src_sersic_range=1,
    )  # fmt: skip
    draws = drawn.draw(range(6)).draws
    source, lens = drawn.render(drawn.physical_scene(draws))
    for light, galaxy in ((source, "src"), (lens, "lens")):
        magnitude = drawn.parameters.zero_point - 2.5 * np.log10(light.sum(axis=(1, 2), dtype=float))
        # Sampled in sixteen points a pixel: to a fiftieth of a magnitude.
        np.testing.assert_allclose(magnitude, draws[f"{galaxy}-magnitude"], atol=0.02)


def test_drawn_exposure_times_make_the_noise():
    values = {"lens_light": "off", "lens_model": "sie"}
    _, labels, _ = simulator(**values, exposure_time_range=(400.0, 4000.0)).simulate(range(16))
    fixed = simulator(**values, exposure_time=float(labels["exposure-time"][5]), exposure_time_range=None)
    draws = {name: values[5:6] for name, values in labels.items() if name in fixed.ranges}
    assert fixed._observe(draws, [5])[1]["snr"][0] == pytest.approx(labels["snr"][5], rel=1e-5)
    with pytest.raises(UsageError, match="give only one of them"):
        simulator(exposure_time_range=(400.0, 4000.0), snr_range=(10, 20))
    with pytest.raises(UsageError, match="need noise"):
        simulator(telescope="none", exposure_time_range=(400.0, 4000.0))


@pytest.mark.parametrize("on_device", [False, True])
def test_drawn_shares_of_the_peak_are_the_noise(on_device):
    values = {"lens_model": "sie", "lens_light": "off", "telescope": "none"}
    parameters = simulator(**values, peak_noise_range=(0.01, 0.1)).parameters
    images, labels, _ = LensSimulator(parameters, on_device=on_device).simulate(range(16))
    bare = simulator(**values)
    draws = {name: labels[name] for name in bare.ranges}
    rate = bare.noiseless(bare.physical_scene(draws))
    share = labels["peak-noise"]
    assert 0.01 <= share.min() < share.max() <= 0.1
    measured = (images - rate).std(axis=(1, 2)) / rate.max(axis=(1, 2))
    np.testing.assert_allclose(measured, share, rtol=4 / np.sqrt(2 * rate[0].size))
    snr = np.sqrt((rate.astype(float) ** 2).sum(axis=(1, 2))) / (share * rate.max(axis=(1, 2)))
    np.testing.assert_allclose(labels["snr"], snr, rtol=1e-4)  # no other light than the source's


def test_noise_comes_from_one_place():
    assert not {"peak-noise"} & simulator().columns.keys()
    assert simulator(telescope="none", peak_noise_range=0.05, snr_min=5).is_noisy
    for other in ({"snr_range": (10, 20)}, {"exposure_time_range": (400.0, 4000.0)}):
        with pytest.raises(UsageError, match="give only one"):
            simulator(peak_noise_range=0.05, **other)
    with pytest.raises(UsageError, match="exclude each other"):
        simulator(peak_noise_range=0.05, exposure_time=100)


@pytest.mark.parametrize("name", ["slacs", "euclid"])
def test_presets_simulate(name):
    argv = [f"--preset={name}", "--grid-size=96"]
    parameters = parse(
        panel.RegressionSimulation, argv, program="generate_data.py", overrides=panel.OVERRIDES, presets=panel.PRESETS
    )
    images, labels, _ = LensSimulator(parameters, chunk_size=4).simulate(range(4))
    assert np.isfinite(images).all()
    assert labels["snr"].min() >= parameters.snr_min
    assert {"einstein-radius-sie", "light-ellip-x", "lens-magnitude", "src-magnitude", "exposure-time"} <= set(labels)


def test_wanted_signal_to_noise_is_reached_by_exposure():
    images, labels, _ = simulator(snr_range=(20.0, 80.0)).simulate(range(30))
    np.testing.assert_allclose(labels["snr"], labels["snr-wanted"], rtol=1e-5)
    assert len(set(labels["exposure-time"])) == 30
    assert np.isfinite(images).all()
    with pytest.raises(UsageError, match="need noise"):
        simulator(telescope="none", snr_range=(20.0, 80.0))


def test_rings_fit_in_the_field():
    small = simulator(lens_model="sie", grid_size=16, pixel_scale=0.2)  # 1.6 arcsec from centre to edge
    _, labels, rejected = small.simulate(range(64))
    distance = np.hypot(labels["lens-center-x"], labels["lens-center-y"])
    assert np.all(labels["einstein-radius"] + distance <= 1.6)
    assert rejected["ring-outside-field"] > 0


def test_magnification_of_a_massless_lens_is_one():
    free = simulator(
        telescope="none", over_sampling=8, masslight_ratio_range=(0, 0), disk_masslight_ratio_range=(0, 0),
        halo_kappa_range=(0, 0), src_effect_range=(0.4, 0.4), src_sersic_range=(1.0, 1.0),
    )  # fmt: skip
    _, labels, _ = free.simulate(range(8))
    np.testing.assert_allclose(labels["magnification"], 1, rtol=2e-3)  # the pixels' own error at 8x8 rays
    assert np.all(labels["einstein-radius"] == 0)


def test_every_image_without_noise_is_the_light_alone():
    values = {"lens_model": "sie", "telescope": "none"}
    dark = simulator(**values, lens_light="off").simulate([0])[0]
    bright = simulator(**values, lens_light="on").simulate([0])[0]
    assert dark.min() >= 0
    assert np.all(bright >= dark)
    assert bright.sum() > 2 * dark.sum()


def explained(values, redshift):
    """R^2 of the best cubic polynomial in a quantity."""
    fit = np.polynomial.Polynomial.fit(values, redshift, 3)
    return 1 - np.var(redshift - fit(values)) / np.var(redshift)


def test_redshift_is_mostly_the_brightness_prior():
    """docs/regression.md: the brightness indicates the redshift if the prior of the brightness is narrow."""
    lens_simulator = LensSimulator(panel.RegressionSimulation.of(panel.OVERRIDES))
    draws = lens_simulator.draw(range(2000)).draws
    redshift = draws["src-redshift"]
    seen = np.log(lens_simulator.physical_scene(draws)["src_intensity"])
    assert explained(seen, redshift) > 0.6
    assert explained(draws["einstein-radius"], redshift) < 0.2
    wide = LensSimulator(panel.RegressionSimulation.of(panel.OVERRIDES, src_intensity_range=(0.004, 0.4)))
    draws = wide.draw(range(2000)).draws
    assert explained(np.log(wide.physical_scene(draws)["src_intensity"]), draws["src-redshift"]) < 0.6
