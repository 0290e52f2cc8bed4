"""``ssh_lab``: one sshd for all tests of a worker, started when the first one needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.ssh import SshLab, find_missing


@pytest.fixture(scope="session")
def ssh_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshLab]:
    """Another machine, reached by ssh, which is this one."""
    missing = find_missing()
    if missing:
        pytest.skip(f"no way to another machine; type: sudo apt install {' '.join(missing)}")
    with SshLab(tmp_path_factory.mktemp("ssh")) as lab:
        yield lab
