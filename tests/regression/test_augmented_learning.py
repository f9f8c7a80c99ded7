"""Augmentation in the regression task: conditions on the dataset, and messages."""

import json
import shutil

import pytest
from small_datasets import SMALL_PARAMETERS

import model_and_figures
import params_and_cli as panel
from stronglens.dataset.manifest import manifest_checksum
from stronglens.parameters import UsageError, columns
from stronglens.regression.plan import find_partner_columns, require_isotropy


def drawn(**values):
    return columns(panel.RegressionSimulation.of(panel.OVERRIDES, **SMALL_PARAMETERS | values))


def test_a_label_brings_its_partner_once_and_only_where_it_is_not_learned():
    found = find_partner_columns(drawn(), ("src-redshift", "src-center-y", "shear-1", "shear-2", "lens-ellip-x"))
    assert found == ("src-center-x", "lens-ellip-y")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"src_center_var": 0, "shear_var": 0},
        {"src_ellip_x_range": (-0.1, 0.1)},  # not as wide as the other component: turns only change its sign
        {"src_center_x_range": (-0.2, 0.2), "src_center_y_range": (-0.2, 0.2)},
    ],
)
def test_rotation_invariant_ranges_are_accepted(values):
    require_isotropy(drawn(**values).values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"src_center_x_range": (0.1, 0.2)}, "src-center-x and src-center-y must be drawn from one range -v,v, not "
                                             "0.1,0.2 and -0.4,0.4; simulate a dataset with this range"),
        ({"lens_center_y_range": (-0.2, 0.2)}, "lens-center-x and lens-center-y .* -0.05,0.05 and -0.2,0.2"),
        ({"lens_center_x_range": 0.1, "lens_center_y_range": 0.1}, "not 0.1,0.1 and 0.1,0.1"),
        ({"shear_2_range": 0.05}, "shear-2 must be drawn from a range -v,v, not 0.05,0.05"),
        ({"src_ellip_x_range": (-0.1, 0.2)}, "src-ellip-x must be drawn"),
    ],
)  # fmt: skip
def test_ranges_that_are_not_rotation_invariant_are_refused(values, said):
    with pytest.raises(UsageError, match=f"^--augment=on would change the prior of the dataset: .*{said}") as refusal:
        require_isotropy(drawn(**values).values())
    assert "\n" not in str(refusal.value)


def train(folder, dataset):
    paths = [f"--dataset-dir={dataset}", f"--figures-dir={folder / 'figures'}", f"--model-file={folder / 'n.keras'}"]
    settings = ["-e=1", "-mlr=1e-3", "-sn=4", "--quiet", "--augment=on", "--labels=einstein-radius,src-center-x"]
    return model_and_figures.main([*paths, *settings])


def test_a_network_trained_with_rotations_measures_only_its_labels(tmp_path, small_dataset):
    assert train(tmp_path, small_dataset) == 0
    header = (tmp_path / "figures" / "predictions.csv").read_text().splitlines()[0]
    assert "src-center-x-predicted" in header
    assert "src-center-y" not in header


def test_an_old_dataset_without_spins_is_not_augmented(tmp_path, small_dataset, capsys):
    old = tmp_path / "old"
    shutil.copytree(small_dataset, old)
    manifest = json.loads((old / "manifest.json").read_text())
    for column in manifest["columns"]:
        del column["spin"]
        column.pop("pair", None)
    manifest["checksums"]["manifest.json"] = manifest_checksum(manifest)
    (old / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit) as caught:
        train(tmp_path, old)
    assert caught.value.code == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "how the dataset's columns rotate" in line
    assert "--augment=off" in line
