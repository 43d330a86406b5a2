"""The folders of boards, delegates and models, and their order."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml import resources


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, a wheel and a site below one folder, all still empty."""
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "src" / "sensorml")
    return tmp_path


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_checkout_has_its_files_beside_the_package(places: Path) -> None:
    boards = make(places / "src" / "boards")
    assert resources.folders("boards", places / "etc") == [boards]


def test_a_wheel_has_them_inside(places: Path) -> None:
    make(places / "src" / "boards")
    packaged = make(places / "src" / "sensorml" / "_data" / "boards")
    assert resources.folders("boards", places / "etc") == [packaged]


def test_a_site_without_permission_has_no_folder(places: Path) -> None:
    shipped = make(places / "src" / "boards")
    # Root has every permission, but such a name fails for root too.
    assert resources.folders("boards", places / ("etc" * 100)) == [shipped]


def test_the_site_comes_last_and_overrides(places: Path) -> None:
    shipped = make(places / "src" / "delegates")
    site = make(places / "etc" / "delegates")
    assert resources.folders("delegates", places / "etc") == [shipped, site]


def test_no_folder_at_all_is_no_error(places: Path) -> None:
    assert resources.folders("boards", places / "etc") == []


def test_every_kind_is_shipped() -> None:
    for kind in ("boards", "delegates", "models"):
        assert resources.folders(kind, Path("/nonexistent")), kind


@pytest.mark.parametrize("written", ["models/motor", "motor"])
def test_a_model_beside_the_configuration_goes_before_the_shipped_one(
    places: Path, written: str
) -> None:
    shipped = make(places / "src" / "models" / "motor")
    assert resources.model_folder(written, places / "plant") == shipped
    own = make(places / "plant" / written)
    assert resources.model_folder(written, places / "plant") == own


def test_an_absolute_path_is_not_changed(places: Path) -> None:
    own = make(places / "elsewhere")
    assert resources.model_folder(str(own), places / "plant") == own


def test_a_missing_model_has_the_path_that_the_user_wrote(places) -> None:
    folder = resources.model_folder("models/motor", places / "plant")
    assert folder == places / "plant" / "models" / "motor"
