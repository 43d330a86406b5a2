"""Where declarative files are found, and which of two wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensorml import resources


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, a wheel and a site below one folder, all still empty."""
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "src" / "sensorml")
    return tmp_path


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_checkout_has_its_files_beside_the_package(places: Path) -> None:
    boards = made(places / "src" / "boards")
    assert resources.folders("boards", places / "etc") == [boards]


def test_a_wheel_has_them_inside(places: Path) -> None:
    made(places / "src" / "boards")
    packaged = made(places / "src" / "sensorml" / "_data" / "boards")
    assert resources.folders("boards", places / "etc") == [packaged]


def test_a_site_that_cannot_be_looked_into_has_nothing(places: Path) -> None:
    shipped = made(places / "src" / "boards")
    # Root may look everywhere; but not at such a name.
    assert resources.folders("boards", places / ("etc" * 100)) == [shipped]


def test_the_site_comes_last_and_so_overrides(places: Path) -> None:
    shipped = made(places / "src" / "delegates")
    site = made(places / "etc" / "delegates")
    assert resources.folders("delegates", places / "etc") == [shipped, site]


def test_nothing_anywhere_is_no_error(places: Path) -> None:
    assert resources.folders("boards", places / "etc") == []


def test_every_kind_is_shipped() -> None:
    for kind in ("boards", "delegates", "models"):
        assert resources.folders(kind, Path("/nonexistent")), kind


@pytest.mark.parametrize("written", ["models/motor", "motor"])
def test_a_model_beside_the_configuration_goes_before_the_shipped_one(
    places: Path, written: str
) -> None:
    shipped = made(places / "src" / "models" / "motor")
    assert resources.model_folder(written, places / "plant") == shipped
    own = made(places / "plant" / written)
    assert resources.model_folder(written, places / "plant") == own


def test_an_absolute_path_is_taken_as_it_is(places: Path) -> None:
    own = made(places / "elsewhere")
    assert resources.model_folder(str(own), places / "plant") == own


def test_a_model_that_is_nowhere_is_looked_for_where_the_user_wrote(places) -> None:
    found = resources.model_folder("models/motor", places / "plant")
    assert found == places / "plant" / "models" / "motor"
