"""Where the contracts find their chips."""

from __future__ import annotations

import pytest
from places import Simulated


@pytest.fixture
def place() -> Simulated:
    """A simulated bus; the lab has the same contracts on a kernel's."""
    return Simulated()
