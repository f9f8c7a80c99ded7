import autolens as al
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stronglens.raytracing import ImageRenderer, Perturbers, enclosed_strength
from stronglens.raytracing.perturbers import NFWTruncatedSph, enclosed_truncated_nfw_mass, total_mass_of_truncated_nfw
from stronglens.raytracing.reference import render_with_tracer

SHAPE, PIXEL_SCALE = (32, 32), 0.1
KINDS = ["point", "nfw"]

SIGNAL_TO_NOISE = 30
"""Of a source's brightest pixel: what errors are held against."""


@pytest.fixture(scope="module")
def renderers():
    """Renderers compiled once: (kind, options) -> ImageRenderer."""
    kept = {}

    def get(kind, lens_light=False, over_sampling=1, **options):
        options = {"shape": SHAPE, "chunk_size": 24, **options}
        key = (kind, lens_light, over_sampling, *options.items())
        if key not in kept:
            kept[key] = ImageRenderer(
                "sie", lens_light, pixel_scale=PIXEL_SCALE, over_sampling=over_sampling, perturbers=kind, **options
            )
        return kept[key]

    return get


def draw_perturbers(kind, number, masses, seed=0, heaviest=1e10, total=3e10):
    """dN/dm ~ m^-1.9 from 1e6 to 1e10 solar masses, uniform in a disc of 2 arcsec; 1.64 arcsec for 1e12."""
    rng = np.random.default_rng(seed)
    size = number, masses
    mass = (1e6**-0.9 + rng.uniform(size=size) * (heaviest**-0.9 - 1e6**-0.9)) ** (-1 / 0.9)
    mass *= total / mass.sum(axis=1, keepdims=True)
    radius, angle = 2 * np.sqrt(rng.uniform(size=size)), rng.uniform(0, 2 * np.pi, size)
    radii = () if kind == "point" else (scale := 0.1 * (mass / 1e8) ** 0.4, scale * rng.uniform(0.5, 20, size))
    return Perturbers(radius * np.cos(angle), radius * np.sin(angle), 1.64**2 * mass / 1e12, *radii)


def rows_of(perturbers, rows):
    return Perturbers(*(None if a is None else a[rows] for a in vars(perturbers).values()))


def errors(ours, theirs):
    """Return errors in units of the noise."""
    return SIGNAL_TO_NOISE * np.abs(ours - theirs).max(axis=(1, 2)) / theirs.max(axis=(1, 2))


# ---- against PyAutoLens's sum over all masses


@pytest.mark.parametrize("over_sampling", [1, 2])
@pytest.mark.parametrize(("kind", "masses"), [("point", 2200), ("nfw", 120)])
def test_images_are_those_of_a_tracer(renderers, draw_scenes, kind, masses, over_sampling):
    scene, perturbers = draw_scenes("sie", 2, seed=1), draw_perturbers(kind, 2, masses)
    source, _ = renderers(kind, False, over_sampling)(scene, perturbers)
    theirs = render_with_tracer("sie", False, scene, SHAPE, PIXEL_SCALE, over_sampling, perturbers)
    assert source.dtype == np.float32
    assert errors(source, theirs).max() < 0.02
    smooth, _ = renderers(kind, False, over_sampling)(scene)
    assert errors(smooth, theirs).min() > 0.3  # the perturbers do something


@pytest.mark.parametrize(("kind", "lens_light"), [("point", True), ("nfw", False)])
def test_images_of_any_shape_in_64_bits(renderers, draw_scenes, kind, lens_light):
    scene, perturbers = draw_scenes("sie", 2, seed=2), draw_perturbers(kind, 2, 20, seed=2)
    renderer = renderers(kind, lens_light, 2, shape=(19, 30), precision="float64", integrate_cusp=False)
    source, lens = renderer(scene, perturbers)
    theirs = render_with_tracer("sie", lens_light, scene, (19, 30), PIXEL_SCALE, 2, perturbers)
    assert source.dtype == np.float64
    assert errors(source + lens if lens_light else source, theirs).max() < 0.01


def test_strong_masses_and_masses_outside_the_field(renderers, draw_scenes):
    scene = draw_scenes("sie", 1, seed=3)
    x, y = np.array([[0.53, -30.0, 2.9, 1.6]]), np.array([[-0.41, 4.0, 0.2, 1.6]])
    perturbers = Perturbers(x, y, np.array([[1.0, 25.0, 0.3, 0.01]]))
    theirs = render_with_tracer("sie", False, scene, SHAPE, PIXEL_SCALE, 1, perturbers)
    assert errors(renderers("point")(scene, perturbers)[0], theirs).max() < 0.02


# ---- an image is its scene's and its perturbers' alone


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_does_not_depend_on_its_neighbours(renderers, draw_scenes, kind):
    scene, perturbers = draw_scenes("sie", 24, seed=4), draw_perturbers(kind, 24, 120, seed=4)
    perturbers.strength[::3] = 0
    perturbers.strength[1::3, 20:] = 0
    renderer = renderers(kind)
    together, _ = renderer(scene, perturbers)
    for rows in ([5], [15, 3, 5, 6], list(range(24))[::-1]):
        chosen = {name: values[rows] for name, values in scene.items()}
        np.testing.assert_array_equal(together[rows], renderer(chosen, rows_of(perturbers, rows))[0])
    np.testing.assert_array_equal(together, renderer.render_on_device(scene, perturbers)[0])
    few = {name: values[:7] for name, values in scene.items()}
    on_device = renderer.render_on_device(few, rows_of(perturbers, slice(7)))[0]
    np.testing.assert_array_equal(on_device, together[[*range(7)] + [6] * 17])


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_padding_do_not_matter(renderers, draw_scenes, kind):
    scene, perturbers = draw_scenes("sie", 3, seed=5), draw_perturbers(kind, 3, 120, seed=5)
    image = renderers(kind)(scene, perturbers)[0]
    filled = [None if a is None else np.insert(a, [0, 50, 120], 0.0, axis=1) for a in vars(perturbers).values()]
    np.testing.assert_array_equal(image, renderers(kind)(scene, Perturbers(*filled))[0])
    turned = [None if a is None else a[:, ::-1] for a in vars(perturbers).values()]
    assert errors(renderers(kind)(scene, Perturbers(*turned))[0], image).max() < 0.01  # roundings


@pytest.mark.parametrize("kind", KINDS)
def test_no_perturbers_leave_a_smooth_lens(renderers, draw_scenes, kind):
    scene, perturbers = draw_scenes("sie", 5, seed=6), draw_perturbers(kind, 5, 10)
    smooth = ImageRenderer("sie", False, SHAPE, PIXEL_SCALE, 1, chunk_size=24)(scene)[0]
    tiny = Perturbers(*vars(perturbers).values())
    tiny.strength[:] = 1e-20
    nothing = Perturbers(*vars(perturbers).values())
    nothing.strength[:] = 0
    for empty in (nothing, tiny, None):
        image = renderers(kind)(scene, empty)[0]
        np.testing.assert_allclose(image, smooth, atol=1e-6 * smooth.max())


def test_invalid_perturbers_are_refused(renderers, draw_scenes):
    with pytest.raises(ValueError, match="point or nfw"):
        ImageRenderer("composite", False, SHAPE, PIXEL_SCALE, 1, perturbers="point")
    with pytest.raises(ValueError, match="point or nfw"):
        ImageRenderer("sie", False, SHAPE, PIXEL_SCALE, 1, perturbers="string")
    for perturbers in (draw_perturbers("nfw", 2, 3), draw_perturbers("point", 1, 3)):
        with pytest.raises(ValueError, match="2 images and a renderer of kind 'point'"):
            renderers("point")(draw_scenes("sie", 2), perturbers)
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="both"):
        Perturbers(one, one, one, one)
    with pytest.raises(ValueError, match="negative"):
        Perturbers(one, one, -one)
    with pytest.raises(ValueError, match="above 0"):
        Perturbers(one, one, one, one, 0 * one)
    with pytest.raises(ValueError, match="shape"):
        Perturbers(one, one, np.ones((1, 2)))


# ---- truncated halos

X = np.geomspace(1e-3, 100, 400)
TAUS = [0.1, 0.5, 1.0, 3.0, 20.0, 200.0]


def deflections(profile, radii):
    grid = al.Grid2DIrregular(np.stack([0.6 * radii, 0.8 * radii], axis=-1))
    return np.hypot(*profile.deflections_yx_2d_from(grid).array.T)


@pytest.mark.parametrize("tau", TAUS)
def test_truncated_halo_deflects_as_its_parent(tau):
    arguments = (0.0, 0.0), 0.05, 0.7, 0.7 * tau
    theirs = deflections(al.mp.NFWTruncatedSph(*arguments), 0.7 * X)
    # the parent cancels near the centre
    np.testing.assert_allclose(deflections(NFWTruncatedSph(*arguments), 0.7 * X), theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("tau", TAUS)
def test_mass_of_a_truncated_halo_in_32_bits(tau):
    x = np.geomspace(1e-6, 300, 20_001).astype(np.float32)
    with jax.enable_x64(False):
        ours = np.asarray(jax.jit(lambda x, tau: enclosed_truncated_nfw_mass(x, tau, jnp))(x, np.float32(tau)))
    exact = enclosed_truncated_nfw_mass(x.astype(float), np.float64(np.float32(tau)))
    # roundings of 6e-8, times x / tau and ln(tau) for what is left of terms far out
    np.testing.assert_allclose(ours * x, exact * x, rtol=2e-4, atol=2e-6 * (exact * x).max())


@pytest.mark.parametrize("tau", TAUS)
def test_strength_is_that_of_the_total_mass(tau):
    far = 1e4 * max(1, tau)
    total = enclosed_truncated_nfw_mass(np.array([far]), tau)[0] * far**2
    assert total == pytest.approx(total_mass_of_truncated_nfw(tau), rel=1e-4)
    halo = NFWTruncatedSph.from_strength((0.0, 0.0), 0.3, 0.1, 0.1 * tau)
    assert deflections(halo, np.array([0.1 * far]))[0] == pytest.approx(0.3 / (0.1 * far), rel=1e-4)


@pytest.mark.parametrize("tau", TAUS)
def test_truncated_halo_is_lenstronomys(tau):
    lens_model = pytest.importorskip("lenstronomy.LensModel.lens_model").LensModel(["TNFW"])
    radii = 0.7 * np.geomspace(0.02, 30, 100)
    # deflection at the scale radius of the same halo without a truncation
    arguments = {"Rs": 0.7, "alpha_Rs": 4 * 0.05 * 0.7 * (1 - np.log(2)), "r_trunc": 0.7 * tau}
    theirs = np.hypot(*lens_model.alpha(0.8 * radii, 0.6 * radii, [arguments | {"center_x": 0, "center_y": 0}]))
    ours = deflections(NFWTruncatedSph((0.0, 0.0), 0.05, 0.7, 0.7 * tau), radii)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


# ---- mass in a circle


def test_strength_inside_a_circle_of_points_is_counted():
    x, y = np.array([[0.0, 0.9, 1.1, 3.0]]), np.zeros((1, 4))
    perturbers = Perturbers(x, y, np.array([[1.0, 2.0, 4.0, 8.0]]))
    for radius, centre, inside in ((1.0, 0.0, 3.0), (1.0, 0.5, 7.0), (9.0, 0.0, 15.0), (0.0, 0.0, 0.0)):
        assert enclosed_strength(perturbers, [radius], [centre], [0.0]) == [inside]


def test_strength_of_halos_inside_a_circle_is_the_mean_radial_deflection():
    """By Gauss's theorem, the mass inside is the flux of deflections through the circle."""
    perturbers, radius = draw_perturbers("nfw", 3, 40, seed=7), np.array([0.4, 1.0, 1.5])
    perturbers.scale_radius[perturbers.scale_radius < 0.02] = 0.02  # what 20,000 places on the circle resolve
    centre_x, centre_y = np.array([0.0, 0.1, -0.2]), np.array([0.3, 0.0, 0.1])
    perturbers.x[:, 0], perturbers.y[:, 0] = centre_x, centre_y
    perturbers.x[:, 1], perturbers.y[:, 1] = centre_x + 0.999 * radius, centre_y
    ours = enclosed_strength(perturbers, radius, centre_x, centre_y)
    angle = np.arange(20_000) * 2 * np.pi / 20_000
    sine, cosine = np.sin(angle), np.cos(angle)
    for row in range(3):
        rays = np.stack([centre_y[row] + radius[row] * sine, centre_x[row] + radius[row] * cosine], axis=-1)
        flux = 0.0
        for x, y, strength, *radii in perturbers.of_lens(row).T:
            halo = NFWTruncatedSph.from_strength((y, x), strength, *radii)
            angles = halo.deflections_yx_2d_from(al.Grid2DIrregular(rays)).array
            flux += radius[row] * (angles[:, 0] * sine + angles[:, 1] * cosine).mean()
        assert ours[row] == pytest.approx(flux, rel=1e-4)
