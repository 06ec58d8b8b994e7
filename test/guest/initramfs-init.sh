#!/bin/busybox sh
# First process of a guest: puts a throw-away layer over the host's root and moves there.
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
mkdir -p /root/run/guest /root/run/netns
mount -t 9p -o "$nine,cache=none" share /root/run/guest
for each in proc sys dev; do mount --move "/$each" "/root/$each"; done
exec switch_root /root /bin/bash /run/guest/inside.sh
