# Sourced by init.sh. Process 1 becomes this machine's systemd, and the command a unit
# after basic.target; no other unit of this machine starts.
units=$root/etc/systemd/system
rm -rf "$units"/*.wants
: >$root/etc/fstab
: >$root/etc/machine-id
# Keep the files in /tmp, because the checkout may be there.
mkdir -p $root/etc/tmpfiles.d
ln -sf /dev/null $root/etc/tmpfiles.d/tmp.conf
ln -sf /dev/null "$units/tmp.mount"
cat >"$units/lab.target" <<'END'
[Unit]
Requires=basic.target
Wants=lab.service
END
cat >"$units/lab.service" <<'END'
[Unit]
After=basic.target
[Service]
ExecStart=/bin/sh /run/lab/command.sh
StandardOutput=append:/run/lab/output
StandardError=append:/run/lab/output
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS >/run/lab/status; exec /bin/busybox poweroff -f'
END
mkdir -p $root/mnt/host
cd $root && pivot_root . mnt/host
exec /lib/systemd/systemd --unit=lab.target --log-target=console --log-level=notice
