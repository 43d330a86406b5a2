#!/usr/bin/env python3
"""Run a command on a Linux kernel of its own, with I2C, GPIO and USB.

    guest.py [--time virtual] -- COMMAND …

User-mode Linux boots this machine's root file system as an ordinary process, without
privileges, KVM or network. The file system is read-only under a layer in memory. The
command's output is passed on, and its exit status becomes that of this program.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

HERE = Path(__file__).resolve().parent
KERNEL = "SENSORML_LAB_KERNEL"
"""The environment variable with the folder of `linux` and `modules`; see kernel.sh."""

KEPT = ("PATH", "VIRTUAL_ENV", "PYTHONPATH", "LANG", "SENSORML_CI")
FIXED = {
    "HOME": "/root",
    "SENSORML_LAB": "1",  # the tests of the lab run only with this
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Every mapping is a system call to the host, of about 0.1 ms: keep the heap.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_TOP_PAD_": "67108864",
}

TIME = {
    "real": [],
    "skip-idle": ["time-travel"],
    "virtual": ["time-travel=inf-cpu"],
}

PI_4 = """\
processor\t: 0
BogoMIPS\t: 108.00
CPU implementer\t: 0x41
CPU architecture: 8

Revision\t: c03115
Serial\t\t: 10000000deadbeef
Model\t\t: Raspberry Pi 4 Model B Rev 1.5
"""
"""The lines of a Pi 4's /proc/cpuinfo from which gpiozero identifies the header."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--time",
        choices=sorted(TIME),
        default="real",
        help="skip-idle: sleeping takes no real time; virtual: computing takes no "
        "virtual time, so every run is the same",
    )
    parser.add_argument(
        "--systemd", action="store_true", help="run systemd as process 1"
    )
    parser.add_argument("--mem", default="768M")
    parser.add_argument("--timeout", type=float, default=2400, metavar="S")
    parser.add_argument("--dmesg", action="store_true", help="print the kernel's log")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    kernel = Path(os.environ.get(KERNEL, HERE / "kernel")) / "linux"
    if not kernel.is_file():
        print(f"there is no {kernel}: make it with kernel.sh", file=sys.stderr)
        return 125
    share = Path(tempfile.mkdtemp(prefix="sensorml-lab-"))
    try:
        return _run(command, share, kernel, args)
    finally:
        shutil.rmtree(share, ignore_errors=True)


def _run(
    command: list[str], share: Path, kernel: Path, args: argparse.Namespace
) -> int:
    """Boot, pass the output on, and return the command's exit status."""
    (share / "cpuinfo").write_text(PI_4)
    (share / "command.sh").write_text(_script(command))
    (share / "output").touch()
    output = share / "output"
    with (share / "console").open("wb") as console, output.open("rb") as out:
        guest = subprocess.Popen(
            [
                str(kernel),
                *TIME[args.time],
                f"mem={args.mem}",
                "rootfstype=hostfs",
                "rootflags=/",
                "ro",
                "quiet",
                f"uml_dir={share}",
                f"LAB_SHARE={share}",
                f"init={HERE / 'init.sh'}",
                *(["LAB_SYSTEMD=1"] if args.systemd else []),
                "con=null",
                "con0=null,fd:1",
                "panic=-1",
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            # With rseq registered by glibc, whose mapping the guest's processes lose,
            # the host kills them at their first page fault.
            env={**os.environ, "GLIBC_TUNABLES": "glibc.pthread.rseq=0"},
            start_new_session=True,
        )
        end = time.monotonic() + args.timeout
        try:
            while guest.poll() is None:
                _pass_on(out)
                if time.monotonic() > end:
                    print(
                        f"the guest took more than {args.timeout:g} s", file=sys.stderr
                    )
                    return 124
                time.sleep(0.02)
        finally:
            if guest.poll() is None:
                os.killpg(guest.pid, signal.SIGKILL)
                guest.wait()
        _pass_on(out)
    status = share / "status"
    if args.dmesg or not status.exists():
        sys.stderr.write((share / "console").read_text(errors="replace"))
    return int(status.read_text()) if status.exists() else 125


def _script(command: list[str]) -> str:
    """Return the script that runs the command in this folder and environment."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith("SENSORML_LAB_")
    } | FIXED
    exports = [f"export {k}={shlex.quote(v)}" for k, v in environ.items()]
    folder = shlex.quote(str(Path.cwd()))
    return "\n".join([*exports, f"cd {folder}", f"exec {shlex.join(command)}", ""])


def _pass_on(out: BinaryIO) -> None:
    if chunk := out.read():
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
