#!/bin/busybox sh
# First process of a guest: puts a throw-away layer over the host's root and moves there.
# All that is to be mounted is mounted here: a program of this archive starts ten times as
# fast as one that is read from the host with its libraries.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/order

# cache=loose: the guest alone decides what it has read, and it reads a host that stays.
nine=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$nine,ro,cache=loose" host /lower || exit 1
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /root
mount -t tmpfs run /root/run
mkdir -p /root/run/guest /root/run/netns /dev/pts /dev/shm
mount -t 9p -o "$nine,cache=none" share /root/run/guest
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf

# shellcheck source=/dev/null
. /root/run/guest/environment.sh
echo "$GUEST_NAME" > /proc/sys/kernel/hostname
ip link set lo up
[ "$GUEST_INTERACTIVE" = 1 ] || stty -F /dev/ttyS1 -opost -echo
read -r release < /proc/sys/kernel/osrelease
[ -d /root/lib/modules ] || mkdir -p /root/lib/modules
# Linked, not copied: a module is read when it is first used.
ln -sfn "$GUEST_MODULES" "/root/lib/modules/$release"
for each in proc sys dev; do mount --move "/$each" "/root/$each"; done
exec switch_root /root /bin/busybox sh /run/guest/inside.sh
