#!/bin/bash
# The first process of a User-mode Linux whose root is the host's own file system, read-only. RUN, from the kernel's
# command line, is a folder of the host that both sides write to:
#   RUN/command   a bash script, which is run
#   RUN/output    all that it prints
#   RUN/status    its exit status; missing if it did not come so far
# Around it: the host's files below an overlay in memory, so that everything can be written and nothing stays.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

off() {
    sync
    [ -e /proc/sysrq-trigger ] || mount -t proc proc /proc
    echo o >/proc/sysrq-trigger
    sleep 60
}
trap off EXIT # the kernel panics when its first process ends
fail() {
    echo "the guest: $*" >&2
    exit 1
}

mount -t proc proc /proc
modules=/usr/lib/uml/modules
(exec -a insmod /bin/kmod "$modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko") || fail "no overlayfs"
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root || fail "no memory to write to"
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root || fail "no overlay"
cd /mnt/root || fail "no root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mkdir -p run/netns run/lock "./$RUN"
ln -sfn /proc/self/fd dev/fd
mount -t hostfs none "./$RUN" -o "$RUN" || fail "$RUN cannot be shared"
# The kernel asks for modules by itself, at this path.
mkdir -p lib/modules
mount --bind "$modules" lib/modules || fail "no modules"
[ -e sbin/modprobe ] || ln -s /bin/kmod sbin/modprobe
mkdir -p was
pivot_root . was || fail "no pivot"
umount -l /was

ip link set lo up
modprobe -a tun veth xfrm_user esp4 esp6 authenc echainiv seqiv gcm ghash-generic ctr cbc hmac sha512_generic
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
# The first SA of an algorithm takes a second here, later than IKE's patience would like: make one of each now.
key() { printf "0x%0$(($1 * 2))d" 7; }
for family in "127.0.0.1 dst 127.0.0.2" "::1 dst ::2"; do
    ip xfrm state add src $family proto esp spi 257 mode tunnel aead 'rfc4106(gcm(aes))' "$(key 36)" 128
    ip xfrm state add src $family proto esp spi 258 mode tunnel enc 'cbc(aes)' "$(key 32)" \
        auth-trunc 'hmac(sha256)' "$(key 32)" 128
done
ip xfrm state flush

bash "$RUN/command" </dev/null >"$RUN/output" 2>&1
echo $? >"$RUN/status"
