"""Finding the place where control groups may be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodewatch.process.delegation import name_group, own_folder, own_group

HYBRID_GROUPS = """\
9:name=systemd:/
4:memory:/process_api/52dba229
0::/user.slice
"""
PURE_MOUNTS = """\
22 28 0:20 / /proc rw,nosuid - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""
HYBRID_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
CONTAINER_MOUNTS = r"""
700 690 0:30 /docker/4ffe /sys/fs/my\040cgroups ro,nosuid - cgroup2 cgroup rw
"""


@pytest.mark.parametrize(
    ("lines", "group"),
    [
        ("0::/system.slice/nodewatch.service\n", "/system.slice/nodewatch.service"),
        (HYBRID_GROUPS, "/user.slice"),
        ("4:memory:/x\n1:cpu:/\n", None),
        ("", None),
    ],
)
def test_the_own_group_is_that_of_version_2(lines: str, group: str | None) -> None:
    assert own_group(lines) == group


@pytest.mark.parametrize(
    ("group", "mounts", "folder"),
    [
        ("/system.slice/n.service", PURE_MOUNTS, "/sys/fs/cgroup/system.slice/n.service"),
        ("/", HYBRID_MOUNTS, "/sys/fs/cgroup/unified"),
        ("/docker/4ffe/a", CONTAINER_MOUNTS.strip(), "/sys/fs/my cgroups/a"),
        ("/docker/other", CONTAINER_MOUNTS.strip(), None),
        ("/", "", None),
    ],
)
def test_the_folder_of_a_group(group: str, mounts: str, folder: str | None) -> None:
    assert own_folder(group, mounts) == (Path(folder) if folder else None)


def test_each_run_has_its_own_name() -> None:
    names = {name_group(Path(f"/scratch/runs/ns/batch/job~{attempt}")) for attempt in range(100)}
    assert len(names) == 100
    assert all(name.startswith("run-") and len(name) == 20 for name in names)
