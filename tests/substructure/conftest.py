import numpy as np
import pytest
from small_classifier import SMALL

import generate_data


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A dataset of 90 images; not to be changed."""
    folder = tmp_path_factory.mktemp("simulated") / "dataset"
    assert generate_data.main([*SMALL, "-n=90", f"--dataset-dir={folder}", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """Images as the public sets have them: (1, H, W), 0 to 1, in folders train and val."""
    folder = tmp_path_factory.mktemp("public")
    random = np.random.default_rng(1)
    for part, number in (("train", 20), ("val", 5)):
        for name in ("no", "sphere", "vort"):
            (folder / part / name).mkdir(parents=True)
            for index in range(number):
                np.save(folder / part / name / f"{index}.npy", random.random((1, 36, 36)))
    return folder


@pytest.fixture(scope="module")
def shallow_resnet():
    """One block a stage, of few filters: TensorFlow traces it in half the time of resnet18's two."""
    from stronglens.substructure import network

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(network.ARCHITECTURES, "resnet18", network.Architecture((1, 1, 1, 1)))
        patch.setattr(network, "STAGE_FILTERS", (8, 16, 32, 64))
        yield
