#!/bin/sh
# Build an image from a definition that begins with the folder `root` beside it, which is made of this machine's
# busybox: nothing is downloaded, and any user can do it.
#
#   ./build-image.sh [DEFINITION [IMAGE]]      by default heat.def and heat.sif
#
# Needs apptainer, mksquashfs (Debian: squashfs-tools) and a static busybox (Debian: busybox-static).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
definition=$(realpath "${1:-$here/heat.def}")
image=$(realpath -m "${2:-${definition%.def}.sif}")

busybox=$(command -v busybox) || { echo "no busybox; type: sudo apt install busybox-static" >&2; exit 1; }
apptainer=$(command -v apptainer || command -v singularity) || {
    echo "no apptainer; see https://apptainer.org/docs/admin/main/installation.html" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/var/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/home" "$root/root"
cp "$busybox" "$root/bin/busybox"
for program in $("$root/bin/busybox" --list); do
    [ "$program" = busybox ] || ln -s busybox "$root/bin/$program"
done
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
: > "$root/etc/hosts"
: > "$root/etc/resolv.conf"
: > "$root/etc/localtime"
# Where the container's folders appear. Apptainer can make them itself, each time, if its configuration lets it.
mkdir -p "$root/input" "$root/distribute_save"

sed "s|^From: root\$|From: $root|" "$definition" > "$work/image.def"
cd "$(dirname "$definition")"
# In a namespace of its own a build has all the rights that it needs, whoever does it.
alone=
if unshare -Ur true 2>/dev/null; then alone="unshare -Ur"; fi
$alone "$apptainer" --quiet build --force "$work/image.sif" "$work/image.def" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work/image.sif" "$image"
echo "$image"
