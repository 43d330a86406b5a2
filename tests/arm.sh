#!/usr/bin/env bash
# Run the wheel on emulated ARM: Debian's own Python for aarch64, the wheels that a
# 64-bit Raspberry Pi installs, and qemu for the processor. `probe`, `score` and `run`
# must give the same results as on this machine.
#
#   tests/arm.sh WHEEL PYTHON...
#
# Each PYTHON, 3.11 or 3.13, has sensorml installed and makes the reference results.
# It needs Debian's mmdebstrap, and `apt-get update` where apt has a mirror of its own.
set -euo pipefail

fail() { echo "$*" >&2; exit 1; }
[ $# -ge 2 ] || fail "usage: tests/arm.sh WHEEL PYTHON..."
command -v mmdebstrap >/dev/null || fail "tests/arm.sh needs mmdebstrap: apt-get install mmdebstrap"

wheel=$(realpath "$1")
tree=$(realpath "$(dirname "$0")/..")
pythons=()
for python in "${@:2}"; do
  path=$(command -v "$python") || fail "there is no $python: give an interpreter with sensorml"
  pythons+=("$(realpath -s "$path")") # not resolved: the link belongs to its environment
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The mirror of this machine's apt, if it is a Debian.
mirror=$(apt-get indextargets --format '$(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "Debian" && $2 == "main" && !uri {uri = $3} END {print uri}')
mirror=${mirror:-http://deb.debian.org/debian}

# debian SUITE ARCH PACKAGES DIR [OPTION...]: unpack a Debian, without setting it up,
# because that would run programs of the other architecture.
debian() {
  mmdebstrap --variant=extract --arch="$2" --include="$3" "${@:5}" "$1" "$4" "$mirror" \
    >"$work/log" 2>&1 && return
  cat "$work/log" >&2
  fail "no $3 from Debian $1 for $2: see the log above and the sources of apt"
}

# Debian 12's qemu 7.2 crashes in ai-edge-litert from 2.2 on; Debian 13's does not.
debian trixie "$(dpkg --print-architecture)" qemu-user "$work/qemu" \
  --dpkgopt='path-exclude=/usr/bin/*' --dpkgopt='path-include=/usr/bin/qemu-aarch64'
qemu=$work/qemu/usr/bin/qemu-aarch64

# Record a machine whose bearing fails, with the driver and the chip of the demo.
cat >"$work/record.py" <<'PYTHON'
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from make import record
from sensorml.sim.machine import MachineOptions

record(Path("machine.npz"), MachineOptions(fault="outer", fault_after_s=25))
PYTHON

# Use the recording as a sensor, because an emulated processor cannot always simulate
# the 800 samples a second of the demo's chip in time.
cat >"$work/machine.toml" <<'TOML'
[[sensor]]
name = "motor"
driver = "file"
path = "machine.npz"
pace = "fast"

[[model]]
name = "motor-anomaly"
path = "models/demo"
sensor = "motor"

[[alarm]]
name = "motor-bad"
model = "motor-anomaly"
of = [3, 5]
TOML

cat >"$work/check.py" <<'PYTHON'
import csv
import json
from pathlib import Path


def rows(name):
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def same(host, arm):
    """Return whether states are equal, and scores up to the order of float32 sums."""
    one, other = float(host["score"]), float(arm["score"])
    return host["state"] == arm["state"] and abs(one - other) <= 1e-4 * abs(one)


report = json.loads(Path("probe.json").read_text())
assert report["facts"]["machine"] == "aarch64", report["facts"]
assert report["facts"]["cpu"]["model"].startswith("ARM"), report["facts"]["cpu"]
assert report["runtime"]["why_not"] is None, report["runtime"]
usable = [d["delegate"] for d in report["delegates"] if d["usable"]]
assert usable == ["cpu"], usable

host = rows("host.csv")
assert {row["state"] for row in host} == {"normal", "anomaly"}, "the recording has only one state"
for name in "score.csv", "run.csv":
    arm = rows(name)
    assert len(arm) == len(host), f"{name}: {len(arm)} windows instead of {len(host)}"
    for expected, row in zip(host, arm, strict=True):
        assert same(expected, row), f"{name}: {row} instead of {expected}"

# The demo's windows may differ: an emulated processor cannot read 800 samples a second
# on a busy machine.
demo = [(row["subject"], row["state"]) for row in rows("demo.csv")]
assert "motor" in dict(demo) and demo[-1] == ("demo", "stopped"), demo
alarms = [row["state"] for row in rows("alarms.csv")]
assert "alarm" in alarms, alarms

runtime = report["runtime"]
print(f"{runtime['name']} {runtime['version']}: all {len(host)} windows have the same results")
PYTHON

cd "$work"
for python in "${pythons[@]}"; do
  version=$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")')
  case $version in
    # lgpio has no wheel for 3.13.
    3.11) suite=bookworm extra='[gpio]' ;;
    3.13) suite=trixie extra='' ;;
    *) fail "$python is Python $version, which no supported Debian has: give 3.11 or 3.13" ;;
  esac
  root=$work/$suite
  debian "$suite" arm64 base-files,python3,libstdc++6 "$root"

  # pip compares tags literally, so every glibc version up to 2.36 is listed.
  platforms=(--platform manylinux2014_aarch64)
  for minor in {17..36}; do platforms+=(--platform "manylinux_2_${minor}_aarch64"); done
  "$python" -m pip install --quiet --target "$root/opt" --only-binary=:all: \
    --implementation cp --python-version "$version" "${platforms[@]}" "$wheel$extra" \
    >log 2>&1 || { cat log >&2; fail "pip found no wheels for aarch64 and Python $version"; }

  # Programs are emulated, but the kernel is the host's: this file gives the emulated
  # machine's name instead of the host's.
  mkdir -p "$root/proc/sys/kernel"
  echo aarch64 >"$root/proc/sys/kernel/arch"

  arm() { "$qemu" -L "$root" -E PYTHONPATH="$root/opt" "$root/usr/bin/python$version" "$@"; }
  "$qemu" --version | head -n 1
  arm -c 'import platform; print("Python", platform.python_version(), platform.machine())'
  if [ -n "$extra" ]; then arm -c 'import lgpio'; fi

  "$python" record.py "$tree/models/demo"
  model=$root/opt/sensorml/_data/models/demo
  "$python" -m sensorml score --model "$model" --out host.csv machine.npz
  rm -f -- *.db*
  arm -m sensorml probe --json >probe.json
  arm -m sensorml score --model "$model" --out score.csv machine.npz
  arm -m sensorml run machine.toml --store machine.db
  arm -m sensorml run --duration 5 --store demo.db
  "$python" -m sensorml export --store machine.db --out run.csv
  "$python" -m sensorml export --store machine.db --kind alarms --out alarms.csv
  "$python" -m sensorml export --store demo.db --kind events --out demo.csv
  "$python" check.py
done
