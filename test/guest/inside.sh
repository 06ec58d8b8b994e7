#!/bin/busybox sh
# Process 1 of a guest once the host's root is there: runs command.sh of the shared
# folder on the second serial port, leaves its exit status, and switches the guest off.
# Programs are named with their folders: this shell has some of its own.
share=/run/guest
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
# shellcheck source=/dev/null
. "$share/environment.sh"
PATH="${GUEST_NODE%/*}:$PATH"

if [ "$GUEST_INTERACTIVE" = 1 ]; then
	/usr/bin/setsid --ctty /bin/sh "$share/command.sh" < /dev/ttyS1 > /dev/ttyS1 2>&1
	echo "$?" > "$share/status"
else
	# Through a pipe: what sees a terminal paints on it.
	{
		/bin/sh "$share/command.sh" < /dev/null 2>&1
		echo "$?" > "$share/status"
	} | /bin/busybox cat > /dev/ttyS1
fi
/bin/busybox sync
echo o > /proc/sysrq-trigger
/bin/busybox sleep 60
