#!/bin/sh
# Check the dashboard that `sensorml grafana` writes against Grafana's own types:
# `Dashboard` of npm's @grafana/schema. It needs node and npm, and installs 33 MB.
#
#   tests/grafana_schema.sh [PYTHON]
set -eu

python=${1:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" - "$work" <<'PYTHON'
import sys
from pathlib import Path
from sensorml.grafana import Database, write

write(Database(api="v2", url="http://127.0.0.1:8086", name="sensorml"), Path(sys.argv[1]))
PYTHON

# The document is written into the program instead of imported, because only then are
# strings checked as literals, and unknown keys are errors.
{
    cat <<'TYPESCRIPT'
import type { Dashboard } from '@grafana/schema';

/** The JSON form of a type: enumerations become their values. */
type Plain<T> =
  T extends string ? `${T}` :
  T extends number ? number :
  T extends readonly (infer Item)[] ? Plain<Item>[] :
  T extends object ? { [Key in keyof T]: Plain<T[Key]> } :
  T;

export const dashboard: Plain<Dashboard> =
TYPESCRIPT
    cat "$work/dashboards/sensorml.json"
} >"$work/dashboard.ts"

cd "$work"
npm install --no-audit --no-fund --silent @grafana/schema@13.2.3 typescript@7.0.2 || {
    echo "the dashboard was not checked: npm could not install Grafana's schema" >&2
    exit 0
}
node_modules/.bin/tsc --noEmit --strict --skipLibCheck \
    --module nodenext --moduleResolution nodenext dashboard.ts
echo "The dashboard fits Grafana's schema."
