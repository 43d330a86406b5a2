#!/usr/bin/env bash
# kernel.sh FOLDER [READY]: make FOLDER/linux and FOLDER/modules.
#
# READY is a folder that has them already (linux or linux.xz, and modules).
# Without it the kernel is built from Debian's own source package, as root, once:
# some 8 minutes on two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:?give the folder that it shall be in}")
ready=${2:-}

if [ -x "$out/linux" ] && [ "$out/linux" -nt "$here/kernel.fragment" ]; then
  exit 0
fi
mkdir -p "$out/modules"

if [ -n "$ready" ]; then
  if [ -f "$ready/linux.xz" ]; then
    xz -dc "$ready/linux.xz" >"$out/linux"
  else
    cp "$ready/linux" "$out/linux"
  fi
  cp "$ready"/modules/*.ko "$out/modules/"
  chmod -R u+w "$out"
  chmod +x "$out/linux"
  touch "$out" "$out/linux"
  exit 0
fi

need=()
for package in gcc make flex bison bc xz-utils libc6-dev; do
  dpkg -s "$package" >/dev/null 2>&1 || need+=("$package")
done
[ ${#need[@]} = 0 ] || apt-get install -y --no-install-recommends "${need[@]}"

work=$out/work
mkdir -p "$work"
cd "$work"
if [ ! -f linux-source-6.12/Makefile ]; then
  apt-get download linux-source-6.12
  dpkg -x linux-source-6.12_*.deb .
  tar xf usr/src/linux-source-6.12.tar.xz
  rm -rf usr linux-source-6.12_*.deb
fi
cd linux-source-6.12
# 1 ms ticks: edges of gpio-sim arrive within 1-2 ms instead of 10.
sed -i '/^config HZ$/,/^config/s/default 100$/default 1000/' arch/um/Kconfig
make -s ARCH=um O="$work/o" allnoconfig
./scripts/kconfig/merge_config.sh -O "$work/o" -m "$work/o/.config" "$here/kernel.fragment" >/dev/null
make -s ARCH=um O="$work/o" olddefconfig
make -s ARCH=um O="$work/o" -j"$(nproc)" linux modules
strip -o "$out/linux" "$work/o/linux"
find "$work/o" -name '*.ko' -exec cp {} "$out/modules/" \;
rm -rf "$work"
