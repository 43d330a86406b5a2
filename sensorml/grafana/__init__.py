"""Files for Grafana: data source, dashboard, alert rules.

The folder has the layout of Grafana's own `/etc/grafana`: Grafana reads
`provisioning/` at its start, and the dashboards from the folder named there.
"""

from __future__ import annotations

import json
from pathlib import Path

from sensorml.errors import OutputError
from sensorml.files import make_folder, replacing_text, shown
from sensorml.grafana.dashboard import dashboard
from sensorml.grafana.provisioning import (
    Database,
    alert_rules,
    dashboard_provider,
    data_source,
)
from sensorml.grafana.yaml import to_yaml

__all__ = ["Database", "files", "write"]


def files(database: Database, folder: Path) -> dict[str, str]:
    """Return the text of every file by its path within `folder`."""
    dashboards = str(folder.resolve() / "dashboards")
    return {
        "provisioning/datasources/sensorml.yaml": to_yaml(data_source(database)),
        "provisioning/dashboards/sensorml.yaml": to_yaml(
            dashboard_provider(dashboards)
        ),
        "provisioning/alerting/sensorml.yaml": to_yaml(alert_rules()),
        "dashboards/sensorml.json": json.dumps(dashboard(), indent=2) + "\n",
    }


def write(database: Database, folder: Path) -> list[Path]:
    """Write every file, each as a whole, because Grafana may read it meanwhile.

    Raises:
        OutputError: a folder or a file cannot be written, or not named in the files.
    """
    if not str(folder).isprintable():
        raise OutputError(f"{shown(folder)}: is no plain text: choose another name")
    make_folder(folder)
    written = []
    for name, text in files(database, folder).items():
        path = folder / name
        make_folder(path.parent)
        with replacing_text(path) as file:
            file.write(text)
        written.append(path)
    return written
