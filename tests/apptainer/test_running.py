"""What a job in a container gets, and what is kept of it."""

from __future__ import annotations

from spoold.tickets import State
from tests.apptainer.container_lab import ContainerLab

SHOW = """\
echo "cores $1 of $DISTRIBUTE_CORES, save in $DISTRIBUTE_SAVE, home $HOME, here $(pwd)"
echo warned >&2
cat input/job.sh > distribute_save/copy.sh
touch ~/x /tmp/x /var/tmp/x /deep/er/x
if touch /bin/x 2> /dev/null; then echo "the image can be written to"; fi
exit 37
"""


def test_a_job_finds_its_folders_and_its_results_are_archived(shared: ContainerLab) -> None:
    key = shared.containers("show", {"a": SHOW}, mounts=["/deep/er"])
    assert shared.wait_finished(key) == {State.FAILED: ["a~1@alpha"]}
    cores = shared.record(key, "a").cores
    said = f"cores {cores} of {cores}, save in /distribute_save, home /home/distribute, here /\n"
    assert shared.text(key, "a", "stdout.txt") == said
    assert shared.text(key, "a", "stderr.txt") == "warned\n"
    assert shared.text(key, "a", "copy.sh") == SHOW
    record = shared.record(key, "a")
    assert (record.exit_code, record.reason) == (37, "exit code 37")
