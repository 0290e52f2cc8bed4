#!/bin/busybox sh
# /init of the RAM disk. The guest's root: what it writes (in memory), over our packages, over this machine's files.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for word in $(cat /proc/cmdline); do
    case $word in
        bed.inside=*) inside=${word#*=} ;;
        bed.root=*) root=${word#*=} ;;
    esac
done
insmod /overlay.ko
mkdir -p /host /packages /written /new
mount -t hostfs none /host -o ro,/
mount -t hostfs none /packages -o "ro,$root"
mount -t tmpfs -o size=60% tmpfs /written
mkdir -p /written/upper /written/work /written/inside
cp "/host$inside"/* /written/inside/ 2>/dev/null || {
    mount -t hostfs none /host/mnt -o "ro,$inside" && cp /host/mnt/* /written/inside/
}
mount -t overlay overlay -o lowerdir=/packages:/host,upperdir=/written/upper,workdir=/written/work,xino=off /new
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs dev /new/dev
mkdir -p /new/bed
mount --bind /written/inside /new/bed
umount /proc /sys
exec switch_root /new /bin/busybox sh /bed/rc.sh
