#!/usr/bin/env bash
# Installs apptainer, and what images are built and run with, on Debian 12; on others if they have a package of it.
#
# Debian 12 has none. That of Debian's unstable wants a newer libc for nothing but a renamed strtol, which
# lower_glibc.py undoes. It is packed anew with dependencies that Debian 12 fulfils, so that nothing else comes
# from unstable and `apt purge apptainer` takes it away. Idempotent; run it as root after each start of a
# machine without udev, as the rights of /dev/fuse are set anew then.
#
# If a later package needs more of the newer libc, it gets that libc for itself alone.
#
#   APPTAINER_DEB=FILE       the package of unstable, if it is here already
#   APPTAINER_OWN_LIBC=yes   give it its own libc, whatever it needs
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt reads the package as another user

say() { echo "install apptainer: $*" >&2; }

# Says what a command said only if it fails.
quietly() { "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }; }

apt_install() { quietly apt-get install -y -q --no-install-recommends --no-upgrade -o DPkg::Lock::Timeout=300 "$@"; }

apt_install_anyhow() { apt_install "$@" 2> /dev/null || { quietly apt-get update -q && apt_install "$@"; }; }

installed() { apptainer --version > /dev/null 2>&1; }

# apt-get with a state of its own, in which there is unstable and nothing else.
unstable() {
    mkdir -p "$work"/apt/{lists,archives}/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(find_mirror) sid main" > "$work/apt/list"
    quietly apt-get -q -o "Dir::Etc::sourcelist=$work/apt/list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt" \
        -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# The mirror that the machine has Debian from already.
find_mirror() {
    found=$(apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' | head -n 1)
    echo "${found:-http://deb.debian.org/debian}"
}

fetch() {
    [ -z "${APPTAINER_DEB:-}" ] || { cp "$APPTAINER_DEB" "$work"; return; }
    unstable update
    (cd "$work" && unstable download apptainer)
}

lower_glibc() {
    [ -z "${APPTAINER_OWN_LIBC:-}" ] && python3 "$here/lower_glibc.py" "$root/usr/bin/apptainer" \
        "$lib/bin/starter" "$lib/lib/offsetpreload.so"
}

# The libraries of unstable into a folder of apptainer's own. RPATH and not RUNPATH: it holds for what those need, too.
give_own_libc() {
    command -v patchelf > /dev/null || apt_install_anyhow patchelf
    (cd "$work" && unstable update && unstable download libc6 libseccomp2 libsqlite3-0)
    mkdir "$lib/sid"
    for package in "$work"/lib*.deb; do dpkg -x "$package" "$work/libraries"; done
    find "$work"/libraries/usr/lib/*-linux-gnu -maxdepth 1 -regextype posix-extended \
        -regex '.*/(ld-linux-.*|lib(c|m|dl|pthread|resolv|nss_.*)\.so\..*|lib(seccomp|sqlite3)\.so.*)' \
        -exec cp -P -t "$lib/sid" {} +
    inside=${lib#"$root"}/sid
    for program in "$root/usr/bin/apptainer" "$lib/bin/starter"; do
        patchelf --set-interpreter "$inside/$(basename "$lib"/sid/ld-linux-*)" --force-rpath --set-rpath "$inside" "$program"
    done
}

# From work/apptainer_*.deb to work/repacked.deb.
repack() {
    root=$work/root
    dpkg-deb -R "$work"/apptainer_*.deb "$root"
    lib=$(echo "$root"/usr/lib/*/apptainer)
    lower_glibc || give_own_libc
    rm -rf "$root"/usr/share/{man,bash-completion,lintian}
    sed -i -e 's/^\(Version:.*\)/\1~on-bookworm/' -e '/^\(Static-\)\?Built-Using:/d' \
        -e 's/^Depends:.*/Depends: ca-certificates, squashfs-tools, libc6 (>= 2.36), libseccomp2 (>= 2.5.0), libsqlite3-0 (>= 3.36.0)/' \
        -e '/^Recommends:/d' "$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    quietly dpkg-deb --root-owner-group -Znone -b "$root" "$work/repacked.deb"
}

# An image is mounted by a program of its user's, which opens this device. udev lets everybody; without it nobody but
# root may.
open_fuse() { [ ! -c /dev/fuse ] || [ "$(stat -c %a /dev/fuse)" = 666 ] || chmod 666 /dev/fuse; }

# Root gets every right there is in a container. Where this machine's root lacks one apptainer gives up, unless it
# is told to hand out those of a list.
list_rights() {
    quietly python3 - << 'PYTHON'
import json, pathlib, re
held = int(re.search(r"CapPrm:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())[1], 16)
last = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
if held != (1 << last + 1) - 1:
    # In the order of linux/capability.h.
    names = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
        NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
        SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
        AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
        PERFMON BPF CHECKPOINT_RESTORE""".split()
    rights = [f"CAP_{name}" for number, name in enumerate(names) if held >> number & 1]
    folder = pathlib.Path("/etc/apptainer")
    (folder / "capability.json").write_text(json.dumps({"users": {"root": rights}}))
    text = (folder / "apptainer.conf").read_text()
    setting = "root default capabilities = "
    kept = [line for line in text.splitlines() if not line.startswith(setting)]
    (folder / "apptainer.conf").write_text("\n".join([*kept, f"{setting}file", ""]))
PYTHON
}

[ "$(id -u)" = 0 ] || { say "must be run as root"; exit 1; }
command -v apt-get > /dev/null || { say "this machine has no apt"; exit 1; }
command -v mksquashfs squashfuse_ll busybox > /dev/null || apt_install_anyhow squashfs-tools squashfuse busybox-static
if ! installed; then
    if ! apt_install apptainer 2> /dev/null; then
        fetch
        repack
        apt_install_anyhow "$work/repacked.deb"
    fi
    installed || { say "it doesn't run"; apptainer --version; }
fi
open_fuse
list_rights
