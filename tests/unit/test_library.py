"""`import sensorml` as a library: its names, its start, and the session of the docs."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sensorml

PAGE = Path(__file__).parents[2] / "docs/library.md"


def test_each_public_name_is_there_and_documented() -> None:
    assert sorted(sensorml._MODULES) == sorted(sensorml.__all__)
    for name in sensorml.__all__:
        assert getattr(sensorml, name).__doc__
    assert set(dir(sensorml)) == {*sensorml.__all__, "__version__"}


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pipelines'"):
        _ = sensorml.pipelines


def test_the_import_loads_no_other_module_of_ours() -> None:
    program = (
        "import sys; before = set(sys.modules); import sensorml; "
        "print(sorted(m for m in set(sys.modules) - before if 'sensorml' in m))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['sensorml']"


def test_the_session_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"(?ms)^```pycon\n(.*?)^```", PAGE.read_text())
    session = doctest.DocTestParser().get_doctest(
        "".join(blocks), {}, PAGE.name, str(PAGE), 0
    )
    results = doctest.DocTestRunner(verbose=False).run(session)
    assert results.attempted > 20
    assert results.failed == 0
    assert (tmp_path / "worn.png").stat().st_size > 1000


def test_without_matplotlib_a_plot_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    recording = sensorml.from_array(np.zeros((4, 1)), rate_hz=1.0)
    with pytest.raises(sensorml.SensormlError, match=r"pip install 'sensorml\[plot\]'"):
        sensorml.plot(recording)


@pytest.mark.parametrize(
    ("samples", "names", "why"),
    [
        (np.zeros(4), None, "give an array"),
        (np.zeros((4, 2)), ["x"], "2 columns and 1 names"),
        (np.full((4, 1), np.nan), None, "NaN or infinity"),
    ],
)
def test_samples_that_make_no_recording_are_refused(samples, names, why) -> None:
    with pytest.raises(sensorml.SensormlError, match=why):
        sensorml.from_array(samples, rate_hz=1.0, channels=names)


def test_a_recording_that_does_not_fit_is_not_scored(tmp_path: Path) -> None:
    from support import model_folder

    recording = sensorml.from_array(np.zeros((100, 1)), rate_hz=500.0, channels=["x"])
    with (
        sensorml.load(str(model_folder(tmp_path / "m"))) as model,
        pytest.raises(sensorml.SensormlError, match="runs at 500 Hz"),
    ):
        model.score(recording)


def test_wrong_keys_of_features_are_named() -> None:
    recording = sensorml.from_array(np.ones((64, 1)), rate_hz=100.0)
    with pytest.raises(sensorml.SensormlError) as refused:
        sensorml.features(recording, "log_spectrum", window=16, bands=0, band=3)
    assert "log_spectrum.bands: is 0: give a whole number at least 1" in str(
        refused.value
    )
    assert "log_spectrum.band: unknown key: did you mean bands?" in str(refused.value)


def test_a_recording_shorter_than_a_window_has_no_windows() -> None:
    recording = sensorml.from_array(np.ones((8, 1)), rate_hz=100.0)
    with pytest.raises(sensorml.SensormlError, match="choose a shorter window"):
        sensorml.windows(recording, window=16)
