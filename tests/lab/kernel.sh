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

if [ -x "$out/linux" ] && [ "$out/linux" -nt "$here/kernel.fragment" ] &&
  [ "$out/linux" -nt "$here/kernel.sh" ]; then
  exit 0
fi
# Linux 6.12 under UML hands its host 2696 bytes of vector registers, and a host
# whose CPU has AMX wants 11008 or refuses (arch/x86/um/os-Linux/registers.c against
# xstateregs_set of arch/x86/kernel/fpu/regset.c). What lies behind the 2696 is read
# and not used, as their header names nothing there; too many are cut off. So it may
# say that it has WIDE of them.
export WIDE=0x4000
mkdir -p "$out/modules"

if [ -n "$ready" ]; then
  if [ -f "$ready/linux.xz" ]; then
    xz -dc "$ready/linux.xz" >"$out/linux"
  else
    cp "$ready/linux" "$out/linux"
  fi
  cp "$ready"/modules/*.ko "$out/modules/"
  chmod -R u+w "$out"
  # The same in the finished code: iov.iov_len = 2696; ptrace(PTRACE_SETREGSET, …
  perl -0777 -pi -e '
    my $wide = pack "V", hex $ENV{WIDE};
    s/\x48\xc7\x44\x24\x08\K\x88\x0a\x00\x00(?=\xbf\x05\x42\x00\x00)/$wide/g
  ' "$out/linux"
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
sed -i "/^int restore_fp_registers/,/^}/s/FP_SIZE \* sizeof(unsigned long)/$WIDE/" \
  arch/x86/um/os-Linux/registers.c
make -s ARCH=um O="$work/o" allnoconfig
./scripts/kconfig/merge_config.sh -O "$work/o" -m "$work/o/.config" "$here/kernel.fragment" >/dev/null
make -s ARCH=um O="$work/o" olddefconfig
make -s ARCH=um O="$work/o" -j"$(nproc)" linux modules
strip -o "$out/linux" "$work/o/linux"
find "$work/o" -name '*.ko' -exec cp {} "$out/modules/" \;
rm -rf "$work"
