#!/bin/sh
# Process 1 of the guest. Its root is this machine's root, read-only under a layer in
# memory. LAB_SHARE, from the kernel's command line, is a folder shared with the host.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -n -t proc proc /proc
mount -n -t sysfs sys /sys
mount -n -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
root=/mnt/root
mount -n -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay $root
for folder in proc sys dev; do mount -n --move /$folder $root/$folder; done
mkdir -p $root/dev/shm $root/dev/pts
mount -n -t devpts devpts $root/dev/pts
mount -n -t tmpfs tmpfs $root/dev/shm
mount -n -t tmpfs -o mode=755 tmpfs $root/run
mkdir -p $root/run/lab $root/run/lock
mount -n -t hostfs -o "$LAB_SHARE" none $root/run/lab
mount -n -t configfs configfs $root/sys/kernel/config
mount -n -t debugfs debugfs $root/sys/kernel/debug
/bin/busybox ip link set lo up
/bin/busybox hostname lab
mount -n --bind $root/run/lab/cpuinfo $root/proc/cpuinfo
[ -z "$LAB_SYSTEMD" ] || . "${0%/*}/systemd.sh"
chroot $root /bin/sh /run/lab/command.sh </dev/null >$root/run/lab/output 2>&1
echo $? >$root/run/lab/status
/bin/busybox poweroff -f
