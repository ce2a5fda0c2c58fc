/** The line the guest prints when its shell is about to start; what follows it on the line may change. */
export const READY_LINE = "hypercraft: guest ready";

/** Where the initramfs lists the modules its /init loads, one path per line below the module folder. */
export const LOAD_ORDER = "hypercraft.load-order";

/** `/init` of the initramfs: goes on to the disk named by `root=`, or stays and becomes busybox init. */
export const initramfsInit = `#!/bin/busybox sh
# First process of the initramfs.
export PATH=/bin
[ -e /bin/ls ] || /bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

root= fstype= flags= mode=ro init=/sbin/init
for word in $(cat /proc/cmdline); do
  case "$word" in
    root=*) root="\${word#root=}" ;;
    rootfstype=*) fstype="\${word#rootfstype=}" ;;
    rootflags=*) flags=",\${word#rootflags=}" ;;
    init=*) init="\${word#init=}" ;;
    ro | rw) mode="$word" ;;
    --) break ;;
  esac
done

fail() {
  echo "hypercraft: $*; starting a shell in the initramfs instead"
}

load_modules() {
  folder="/lib/modules/$(uname -r)"
  if [ ! -e "$folder/${LOAD_ORDER}" ]; then
    echo "hypercraft: the initramfs has no modules for kernel $(uname -r)"
    return
  fi
  while read -r module; do
    insmod "$folder/$module" || echo "hypercraft: cannot load $module"
  done <"$folder/${LOAD_ORDER}"
}

# A name such as UUID=... becomes a device once the device is there.
find_device() {
  case "$root" in
    UUID=* | LABEL=*) device="$(findfs "$root" 2>/dev/null)" ;;
    *) device="$root" ;;
  esac
  [ -b "$device" ]
}

wait_for_device() {
  tries=100
  until find_device; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    usleep 50000
  done
}

boot_from_root() {
  load_modules
  wait_for_device || { fail "no block device $root"; return; }
  mount \${fstype:+-t "$fstype"} -o "$mode$flags" "$device" /newroot || { fail "cannot mount $device"; return; }
  if [ ! -x "/newroot$init" ] && [ ! -h "/newroot$init" ]; then
    umount /newroot
    fail "$device has no $init"
    return
  fi
  mount -o move /proc /newroot/proc
  mount -o move /sys /newroot/sys
  mount -o move /dev /newroot/dev
  exec switch_root /newroot "$init"
}

[ -z "$root" ] || boot_from_root
exec /bin/init
`;

/** busybox init's table: set up, a shell on the console for ever, clean up on poweroff and reboot. */
export const inittab = `::sysinit:/etc/init.d/rcS
::respawn:/bin/cttyhack /bin/sh -l
::ctrlaltdel:/bin/reboot
::shutdown:/bin/umount -a -r -t noproc,sysfs,devtmpfs,devpts,rootfs
`;

/** Run once by init, in the initramfs and on the disk alike. */
export const startScript = `#!/bin/busybox sh
export PATH=/bin
[ -e /bin/ls ] || /bin/busybox --install -s /bin
[ -e /proc/mounts ] || mount -t proc proc /proc
[ -e /sys/kernel ] || mount -t sysfs sysfs /sys
[ -e /dev/null ] || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
case " $(cat /proc/cmdline) " in
  *" ro "*) ;;
  *) mount -o remount,rw / 2>/dev/null ;;
esac
hostname -F /etc/hostname
where="$(awk '$2 == "/" && $3 != "rootfs" { print "root on " $1 ", " $3 }' /proc/mounts)"
echo "${READY_LINE} (Linux $(uname -r) on $(uname -m), \${where:-initramfs})"
`;

/** A login shell starts here: at the root, with the prompt that is documented. */
export const profile = `export PATH=/bin HOME=/root PS1='\\w \\$ '
cd /
`;
