#!/usr/bin/env bash
# kernel.sh FOLDER [READY]: make FOLDER/linux and FOLDER/modules.
#
# READY is a folder that already has them (linux or linux.xz, and modules).
# Without it the kernel is built once from Debian's source package, as root, in about
# 8 minutes on two cores. Everything is made in FOLDER.part, which is renamed at the
# end, so an interrupted run leaves no FOLDER that looks complete.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$(realpath -m "${1:?give the folder to make}")
ready=${2:-}

if [ -x "$folder/linux" ] && [ "$folder/linux" -nt "$here/kernel.fragment" ] &&
  [ "$folder/linux" -nt "$here/kernel.sh" ]; then
  touch "$folder"
  exit 0
fi
out=$folder.part
finish() {
  touch "$out" "$out/linux"
  rm -rf "$folder"
  mv -T "$out" "$folder"
}
# Linux 6.12 under UML passes 2696 bytes of vector registers to its host; a host whose
# CPU has AMX needs 11008 and refuses fewer (arch/x86/um/os-Linux/registers.c,
# xstateregs_set in arch/x86/kernel/fpu/regset.c). The host truncates a longer buffer
# and ignores the part that the buffer's header does not name, so WIDE bytes work on
# every CPU.
export WIDE=0x4000
rm -rf "$out/linux" "$out/modules"  # "$out/work" is kept, so that a build continues from it
mkdir -p "$out/modules"

if [ -n "$ready" ]; then
  if [ -f "$ready/linux.xz" ]; then
    xz -dc "$ready/linux.xz" >"$out/linux"
  else
    cp "$ready/linux" "$out/linux"
  fi
  cp "$ready"/modules/*.ko "$out/modules/"
  chmod -R u+w "$out"
  # The same change in the compiled code: iov.iov_len = 2696; ptrace(PTRACE_SETREGSET, …
  perl -0777 -pi -e '
    my $wide = pack "V", hex $ENV{WIDE};
    s/\x48\xc7\x44\x24\x08\K\x88\x0a\x00\x00(?=\xbf\x05\x42\x00\x00)/$wide/g
  ' "$out/linux"
  chmod +x "$out/linux"
  finish
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
finish
