#!/bin/bash
# Process 1 of a guest once the host's root is there: runs command.sh of the shared
# folder on the second serial port, leaves its exit status, and switches the guest off.
share=/run/guest
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
# shellcheck source=/dev/null
. "$share/environment.sh"
PATH="$(dirname "$GUEST_NODE"):$PATH"

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mkdir -p /lib/modules
# Linked, not copied: a module is read when it is first used.
ln -sfn "$GUEST_MODULES" "/lib/modules/$(uname -r)"
hostname "$GUEST_NAME"
ip link set lo up

if [ "$GUEST_INTERACTIVE" = 1 ]; then
	setsid --ctty bash "$share/command.sh" < /dev/ttyS1 > /dev/ttyS1 2>&1
else
	stty -F /dev/ttyS1 -opost -echo
	# Through a pipe: what sees a terminal paints on it.
	bash "$share/command.sh" < /dev/null 2>&1 | cat > /dev/ttyS1
fi
echo "${PIPESTATUS[0]}" > "$share/status"
sync
echo o > /proc/sysrq-trigger
sleep 60
