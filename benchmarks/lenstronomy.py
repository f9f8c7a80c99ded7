"""Images of elliptical lenses with lenstronomy (Birrer & Amara 2018), one at a time, from the same scenes."""

from contextlib import contextmanager

import numpy as np
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel
from lenstronomy.LightModel.Profiles.sersic import SersicUtil

from stronglens.lens_models import LENS_MODELS
from stronglens.raytracing.ellipsoids import sersic_constant


def build_renderer(lens_model: str, lens_light: bool, shape: tuple[int, int], pixel_scale: float, over_sampling: int):
    """Return a function from scenes (dicts of (N,) arrays) to images (N, H, W), row 0 at the top."""
    corner = [-(pixels - 1) / 2 * pixel_scale for pixels in shape]
    data = ImageData(
        image_data=np.zeros(shape),
        ra_at_xy_0=corner[1],
        dec_at_xy_0=corner[0],
        transform_pix2angle=np.eye(2) * pixel_scale,
    )
    has_slope = LENS_MODELS[lens_model].has_slope
    model = ImageModel(
        data,
        PSF(psf_type="NONE"),
        LensModel(["EPL" if has_slope else "SIE", "SHEAR"]),
        LightModel(["SERSIC_ELLIPSE"]),
        LightModel(["SERSIC_ELLIPSE"]) if lens_light else None,
        kwargs_numerics={"supersampling_factor": over_sampling, "supersampling_convolution": False},
    )

    def light(one, galaxy):
        return [
            {
                "amp": one[f"{galaxy}_intensity"] / pixel_scale**2,  # of an arcsec^2
                "R_sersic": one[f"{galaxy}_effect"],
                "n_sersic": one[f"{galaxy}_sersic"],
                **place(one, galaxy),
            }
        ]

    def place(one, galaxy):
        names = {"e1": "ellip_x", "e2": "ellip_y", "center_x": "center_x", "center_y": "center_y"}
        return {theirs: one[f"{galaxy}_{ours}"] for theirs, ours in names.items()}

    def render(scene):
        images = []
        for values in zip(*scene.values(), strict=True):
            one = dict(zip(scene, values, strict=True))
            slope = {"gamma": one["mass_slope"]} if has_slope else {}
            lens = [
                {"theta_E": one["einstein_radius_sie"], **slope, **place(one, "lens")},
                {"gamma1": one["shear_1"], "gamma2": one["shear_2"]},
            ]
            image = model.image(lens, light(one, "src"), light(one, "lens") if lens_light else None)
            images.append(np.flipud(image))
        return np.array(images)

    return render


@contextmanager
def same_sersic_constant():
    """Context in which lenstronomy uses PyAutoLens's b_n instead of its approximation 1.9992 n - 0.3271."""
    own = vars(SersicUtil)["b_n"]
    SersicUtil.b_n = staticmethod(sersic_constant)
    try:
        yield
    finally:
        SersicUtil.b_n = own
