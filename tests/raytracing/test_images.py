import subprocess
import sys

import autolens as al
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from direct_integration import sersic_deflections

from stronglens.parameters import RunError
from stronglens.raytracing import SCENE_COLUMNS, ImageRenderer
from stronglens.raytracing.reference import render_with_tracer
from stronglens.raytracing.tracing import pixel_centers

SHAPE, PIXEL_SCALE = (24, 24), 0.2
MODELS = ["sie", "powerlaw", "composite"]


@pytest.fixture(scope="module")
def renderers():
    """Renderers compiled once: (lens_model, lens_light, options) -> ImageRenderer."""
    kept = {}

    def get(lens_model, lens_light=False, over_sampling=1, shape=SHAPE, pixel_scale=PIXEL_SCALE, **options):
        key = (lens_model, lens_light, over_sampling, shape, pixel_scale, *options.items())
        if key not in kept:
            kept[key] = ImageRenderer(
                lens_model, lens_light, shape, pixel_scale, over_sampling, chunk_size=16, **options
            )
        return kept[key]

    return get


def differences(ours, theirs):
    return np.abs(ours - theirs).max(axis=(1, 2)) / np.abs(theirs).max(axis=(1, 2))


# ---- against PyAutoLens, and against integration where that is the more exact


@pytest.mark.parametrize(("shape", "pixel_scale"), [((64, 64), 0.1), ((40, 60), 0.1)])
@pytest.mark.parametrize("over_sampling", [1, 2])
def test_isothermal_images_are_those_of_a_tracer(renderers, draw_scenes, over_sampling, shape, pixel_scale):
    scene = draw_scenes("sie", 16, seed=over_sampling)
    source, lens = renderers("sie", False, over_sampling, shape, pixel_scale)(scene)
    assert lens is None
    assert source.dtype == np.float32
    theirs = render_with_tracer("sie", False, scene, shape, pixel_scale, over_sampling)
    assert differences(source, theirs).max() < 1e-4


def test_light_with_separate_ellipticity_matches_a_tracer(renderers, draw_scenes):
    scene = draw_scenes("sie", 8, seed=4, lens_ellip_x=0.25, lens_ellip_y=-0.1)
    scene |= {"light_ellip_x": np.linspace(-0.2, 0.3, 8), "light_ellip_y": np.linspace(0.2, -0.3, 8)}
    source, lens = renderers("sie", True, 2, (64, 64), 0.1, integrate_cusp=False, own_light=True)(scene)
    theirs = render_with_tracer("sie", True, scene, (64, 64), 0.1, 2)
    assert differences(source + lens, theirs).max() < 1e-4
    # The mass is as it was: so is the source's image.
    alike, round_lens = renderers("sie", True, 2, (64, 64), 0.1, integrate_cusp=False)(scene)
    assert differences(source, alike).max() < 1e-5
    assert differences(lens, round_lens).max() > 0.01


@pytest.mark.parametrize("lens_model", MODELS)
def test_sources_with_clumps_are_those_of_a_tracer(renderers, draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 8, seed=5)
    rng = np.random.default_rng(0)
    for k in (1, 2):
        scene |= {f"clump_{k}_center_{axis}": scene[f"src_center_{axis}"] + rng.normal(0, 0.2, 8) for axis in "xy"}
        scene |= {f"clump_{k}_intensity": rng.uniform(0, 2, 8), f"clump_{k}_sigma": rng.uniform(0.05, 0.1, 8)}
    source, _ = renderers(lens_model, False, 2, (64, 64), 0.1, clumps=2)(scene)
    theirs = render_with_tracer(lens_model, False, scene, (64, 64), 0.1, 2)
    assert differences(source, theirs).max() < (1e-3 if lens_model == "composite" else 1e-4)
    smooth, _ = renderers(lens_model, False, 2, (64, 64), 0.1)(scene)
    assert differences(source, smooth).max() > 0.1


@pytest.mark.parametrize("lens_model", MODELS)
def test_images_with_lens_light_are_those_of_a_tracer(renderers, draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 8, seed=3)
    source, lens = renderers(lens_model, True, 2, (64, 64), 0.1, integrate_cusp=False)(scene)
    theirs = render_with_tracer(lens_model, True, scene, (64, 64), 0.1, 2)
    assert differences(source + lens, theirs).max() < 1e-4


def test_images_behind_stars_and_halo_are_those_of_direct_integration(renderers, draw_scenes):
    scene = draw_scenes("composite", 16, seed=4)
    source, _ = renderers("composite", False, 1, (64, 64), 0.1)(scene)
    rays = pixel_centers((64, 64), 0.1)
    theirs = []
    for values in zip(*scene.values(), strict=True):
        one = dict(zip(scene, values, strict=True))
        centre = one["lens_center_y"], one["lens_center_x"]
        angles = al.mp.NFWSph(centre, one["halo_kappa"], one["halo_radius"])
        angles = angles.deflections_yx_2d_from(al.Grid2DIrregular(rays)).array
        for galaxy, ratio, index in (
            ("lens", one["masslight_ratio"], one["lens_sersic"]),
            ("disk", one["disk_masslight_ratio"], 1.0),
        ):
            angles = angles + sersic_deflections(
                rays, centre, (one[f"{galaxy}_ellip_y"], one[f"{galaxy}_ellip_x"]),
                ratio * one[f"{galaxy}_intensity"], one[f"{galaxy}_effect"], index, nodes=100, power=6,
            )  # fmt: skip
        galaxy = al.lp.Sersic(
            (one["src_center_y"], one["src_center_x"]), (one["src_ellip_y"], one["src_ellip_x"]),
            one["src_intensity"], one["src_effect"], one["src_sersic"],
        )  # fmt: skip
        with np.errstate():
            theirs.append(galaxy.image_2d_from(al.Grid2DIrregular(rays - angles)).array.reshape(64, 64))
    assert differences(source, np.array(theirs)).max() < 1e-4
    # PyAutoLens's own decomposition of the stars comes within 1e-3 of the same images
    theirs = render_with_tracer("composite", False, scene, (64, 64), 0.1, 1)
    assert differences(source, theirs).max() < 1e-3


@pytest.mark.parametrize("lens_model", MODELS)
def test_both_precisions_agree(renderers, draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 16, seed=5)
    single = renderers(lens_model, True)(scene)
    double = renderers(lens_model, True, precision="float64")(scene)
    assert double[0].dtype == double[1].dtype == np.float64
    for ours, theirs in zip(single, double, strict=True):
        assert differences(ours, theirs).max() < 1e-4
        assert differences(ours, theirs).max() > 0  # not the same program


def test_float32_rendering_leaves_a_callers_precision_alone(renderers, draw_scenes):
    with jax.enable_x64(True):
        renderers("sie")(draw_scenes("sie", 1))
        assert jnp.ones(1).dtype == jnp.float64


# ---- against what must be so


def round_lens(lens_model, number=1, **scene):
    """A massless lens at the origin and a small round source behind it, with the given changes."""
    scene = dict.fromkeys(SCENE_COLUMNS[lens_model], 0.0) | {
        "lens_intensity": 1.0, "lens_effect": 0.5, "lens_sersic": 3.0,
        "src_intensity": 1.0, "src_effect": 0.3, "src_sersic": 1.0,
        **({"disk_effect": 1.0, "halo_radius": 30.0} if lens_model == "composite" else {}),
        **({"mass_slope": 1.9} if lens_model == "powerlaw" else {}),
    } | scene  # fmt: skip
    return {name: np.full(number, value) for name, value in scene.items()}


def radii(shape, pixel_scale):
    return np.hypot(*pixel_centers(shape, pixel_scale).T).reshape(shape)


@pytest.mark.parametrize("lens_model", ["sie", "powerlaw"])
def test_a_source_behind_a_round_lens_becomes_a_ring_at_the_einstein_radius(renderers, lens_model):
    scene = round_lens(lens_model, einstein_radius_sie=1.5, src_effect=0.1)
    image = renderers(lens_model, False, 1, (64, 64), 0.1)(scene)[0][0]
    r = radii((64, 64), 0.1)
    assert abs(np.average(r, weights=image / r) - 1.5) < 0.02  # light against radius, a fifth of a pixel
    assert image[np.abs(r - 1.5) > 0.8].max() < 1e-3 * image.max()


@pytest.mark.parametrize("lens_model", MODELS)
def test_no_mass_leaves_the_source_as_it_is(renderers, lens_model):
    image = renderers(lens_model)(round_lens(lens_model, src_center_x=0.7, src_center_y=-0.3))[0][0]
    y, x = pixel_centers(SHAPE, PIXEL_SCALE).T
    r = np.hypot(x - 0.7, y + 0.3).reshape(SHAPE)
    b = al.lp.Sersic(sersic_index=1.0).sersic_constant
    np.testing.assert_allclose(image, np.exp(-b * (r / 0.3 - 1)), rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("lens_model", MODELS)
def test_x_points_right_and_y_up(renderers, lens_model):
    image = renderers(lens_model)(round_lens(lens_model, src_center_x=1.5, src_center_y=0.9))[0][0]
    row, column = np.unravel_index(image.argmax(), SHAPE)
    assert (row, column) == (7, 19)  # y = (11.5 - 7) 0.2 = 0.9, x = (19 - 11.5) 0.2 = 1.5


@pytest.mark.parametrize("lens_model", MODELS)
def test_swapping_x_and_y_transposes_the_image(renderers, draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 8, seed=6)
    swapped = dict(scene)
    for galaxy in ("lens", "src"):
        swapped[f"{galaxy}_center_x"], swapped[f"{galaxy}_center_y"] = (scene[f"{galaxy}_center_{c}"] for c in "yx")
    for name in ("lens_ellip_x", "src_ellip_x", "disk_ellip_x", "shear_1"):  # (cos, sin) 2phi with phi -> pi/2 - phi
        if name in scene:
            swapped[name] = -scene[name]
    for image, other in zip(
        renderers(lens_model, True, 2)(scene), renderers(lens_model, True, 2)(swapped), strict=True
    ):
        # y = x, with y upwards: the antitranspose of an array whose rows run down
        assert differences(image, np.flip(other.transpose(0, 2, 1), axis=(1, 2))).max() < 1e-4


def test_ellipticity_and_shear_point_where_the_conventions_say(renderers):
    scene = round_lens("sie", src_ellip_x=0.4, src_center_x=0.0)
    image = renderers("sie")(scene)[0][0]
    assert image[11:13].sum() > 2 * image[:, 11:13].sum() / 1.5  # long axis along x
    scene = round_lens("sie", src_ellip_y=0.4)
    image = renderers("sie")(scene)[0][0]
    assert np.trace(np.fliplr(image)) > 1.5 * np.trace(image)  # from bottom left to top right
    scene = round_lens("sie", shear_1=0.3, src_effect=0.5)
    image = renderers("sie")(scene)[0][0]
    assert image[11:13].sum() > 1.2 * image[:, 11:13].sum()  # stretched along x


def test_padding_is_more_sky_around_the_same_image(renderers, draw_scenes):
    scene = draw_scenes("composite", 4, seed=7)
    for image, wide in zip(
        renderers("composite", True)(scene), renderers("composite", True, padding=3)(scene), strict=True
    ):
        assert wide.shape == (4, 30, 30)
        # rays at the edge differ by a rounding
        np.testing.assert_allclose(wide[:, 3:-3, 3:-3], image, rtol=1e-4, atol=1e-4 * image.max())


# ---- the cusp of the lens's light


@pytest.mark.parametrize("center", [(0.0, 0.0), (0.1, 0.1), (0.03, -0.1), (0.2999, 0.0501), (2.35, -2.3)])
def test_light_of_a_cusp_is_that_of_a_fine_grid(renderers, center):
    scene = round_lens(
        "sie", lens_sersic=4.0, lens_effect=0.6, lens_ellip_x=0.2, lens_ellip_y=-0.3,
        lens_center_x=center[0], lens_center_y=center[1],
    )  # fmt: skip
    image = renderers("sie", True, 8)(scene)[1]
    truth = render_with_tracer("sie", True, scene | {"src_intensity": np.zeros(1)}, SHAPE, PIXEL_SCALE, 40)
    assert differences(image, truth).max() < 3e-3  # of 40x40 rays themselves, about a cusp
    total = differences(image.sum(axis=(1, 2), keepdims=True), truth.sum(axis=(1, 2), keepdims=True))
    assert total.max() < 1e-3


def test_light_of_a_lens_outside_the_field_is_not_its_cusp(renderers):
    scene = round_lens("sie", lens_center_x=5.0, lens_sersic=4.0)
    with_cusp = renderers("sie", True, 2)(scene)[1]
    without = renderers("sie", True, 2, integrate_cusp=False)(scene)[1]
    np.testing.assert_array_equal(with_cusp, without)


# ---- an image is its scene's alone


@pytest.mark.parametrize("lens_model", MODELS)
def test_an_image_does_not_depend_on_its_neighbours(renderers, draw_scenes, lens_model):
    scene = draw_scenes(lens_model, 16, seed=8)
    renderer = renderers(lens_model, True, 2)
    together = renderer(scene)
    for rows in ([5], [15, 3, 5], list(range(16))[::-1]):
        chosen = renderer({name: values[rows] for name, values in scene.items()})
        for images, others in zip(together, chosen, strict=True):
            np.testing.assert_array_equal(images[rows], others)


def test_pieces_of_a_chunk_come_back_in_order(draw_scenes):
    scene = draw_scenes("sie", 80, seed=9)
    images = ImageRenderer("sie", False, (16, 16), 0.4, 1)(scene)[0]
    one_by_one = ImageRenderer("sie", False, (16, 16), 0.4, 1, chunk_size=16)
    for start in range(0, 80, 16):
        part = one_by_one({name: values[start : start + 16] for name, values in scene.items()})[0]
        np.testing.assert_allclose(images[start : start + 16], part, rtol=1e-6)


def test_images_that_are_not_finite_are_refused_by_index(renderers, draw_scenes):
    scene = draw_scenes("sie", 5)
    scene["src_intensity"][3] = np.inf
    with pytest.raises(RunError, match=r"image 3 .*not finite"):
        renderers("sie")(scene)


def test_invalid_arguments_are_refused(renderers, draw_scenes):
    with pytest.raises(ValueError, match="1 to 16 images, not 17"):
        renderers("sie")(draw_scenes("sie", 17))
    with pytest.raises(ValueError, match="composite, sie"):
        ImageRenderer("point", False, SHAPE, PIXEL_SCALE, 1)
    with pytest.raises(ValueError, match="float32 or float64"):
        ImageRenderer("sie", False, SHAPE, PIXEL_SCALE, 1, precision="half")


def test_rendering_does_not_disable_numpy_warnings(renderers, draw_scenes):
    before = np.geterr()
    ImageRenderer("sie", True, (16, 16), 0.4, 1, chunk_size=1)(draw_scenes("sie", 1))
    render_with_tracer("sie", True, draw_scenes("sie", 1), (16, 16), 0.4, 1)
    assert np.geterr() == before


def test_libraries_print_nothing():
    code = "import stronglens.raytracing as r, jax, logging; jax.devices(); assert not logging.getLogger().handlers"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
