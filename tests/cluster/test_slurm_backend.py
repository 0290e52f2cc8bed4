"""What is asked of Slurm, and what its answers mean, by captures of Slurm 22.05."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.backends import slurm
from cluster.records import NEVER_SATISFIED, QueueJob
from cluster.states import SLURM_WORDS, JobState
from tests.cluster.captures import SEPARATOR, read


def by_id(jobs: list[QueueJob]) -> dict[str, QueueJob]:
    found = {job.job_id: job for job in jobs}
    assert len(found) == len(jobs)
    return found


def test_the_queue() -> None:
    jobs = by_id(slurm.parse_table(read("slurm-squeue.txt"), SEPARATOR))
    ends = {job_id: (job.state.value, job.exitcode) for job_id, job in jobs.items()}
    assert ends == {
        "14": ("completed", 0),
        "15": ("failed", 7),
        "16": ("failed", 137),
        "17": ("failed", 44),
        "18": ("cancelled", None),
        "19": ("pending", None),
        "20": ("held", None),
        "21": ("cancelled", 143),
        "22_0": ("completed", 0),
        "22_1": ("completed", 0),
        "22_2": ("failed", 3),
        "22_3": ("completed", 0),
        "23": ("completed", 0),
        "24": ("completed", 0),
        "28": ("running", None),
        "7": ("pending", None),
    }
    assert jobs["18"].reason == jobs["19"].reason == NEVER_SATISFIED
    assert jobs["23"] == QueueJob("23", "two", "root", "debug", JobState.COMPLETED, ("n1", "n2"), 2, 2, 0, "")


def test_a_name_that_looks_like_a_record_is_a_name() -> None:
    for capture in ("slurm-squeue.txt", "slurm-sacct.txt"):
        jobs = slurm.parse_table(read(capture), SEPARATOR)
        assert [job.name for job in jobs if "\n" in job.name] == ["a|b\n9|root|debug|COMPLETED"]
        assert "9" not in [job.job_id for job in jobs]


def test_the_accounting_database() -> None:
    jobs = by_id(slurm.parse_table(read("slurm-sacct.txt"), SEPARATOR))
    ends = {job_id: (job.state.value, job.exitcode) for job_id, job in jobs.items()}
    assert ends == {
        "1": ("completed", 0),
        "2": ("failed", 7),
        "3": ("failed", 137),
        "4": ("failed", 44),
        "8": ("cancelled", None),
        "9_0": ("completed", 0),
        "9_1": ("completed", 0),
        "9_2": ("failed", 3),
        "9_3": ("completed", 0),
        "10": ("completed", 0),
        "11": ("completed", 0),
    }
    assert (jobs["10"].nodes, jobs["10"].numnodes, jobs["10"].threads) == (("n1", "n2"), 2, 2)


def test_tables_with_other_columns_and_without_a_last_separator() -> None:
    jobs = by_id(slurm.parse_table(read("slurm-sacct-P-X.txt"), "|"))
    assert jobs["25"].state is JobState.TIMEOUT
    assert (jobs["24"].state, jobs["24"].exitcode) == (JobState.FAILED, 137)
    assert jobs["46_3"].exitcode == 3
    seen = by_id(slurm.parse_table(read("slurm-squeue-all.txt"), "|"))
    assert (len(seen), seen["43"].reason, seen["50"].nodes) == (25, NEVER_SATISFIED, ("n2",))
    assert seen["23"].state is JobState.HELD


def test_jobcomp_with_its_noise() -> None:
    errors = read("slurm-sacct-completion.err")
    jobs = by_id(slurm.parse_completions(read("slurm-sacct-completion.txt"), errors))
    assert (jobs["16"].exitcode, jobs["17"].exitcode) == (137, 44)
    assert jobs["18"].state is JobState.CANCELLED
    assert "0" not in jobs
    assert "24" not in jobs, "what it couldn't read says nothing"
    assert "22" not in jobs, "a row of an array's last task says nothing of the array"


@pytest.mark.parametrize("capture", ["slurm-scontrol-done.txt", "slurm-scontrol-running.txt"])
def test_scontrol_says_what_squeue_says(capture: str) -> None:
    jobs = by_id(slurm.parse_shown(read(capture)))
    assert jobs["39"].nodes == ("n1",)
    if "done" in capture:
        assert (jobs["46_3"].state, jobs["46_3"].exitcode) == (JobState.FAILED, 3)
        assert jobs["42"].reason == NEVER_SATISFIED
        assert jobs["43"].state is JobState.CANCELLED
        assert jobs["49"].exitcode == 137
    else:
        assert jobs["39"].state is JobState.RUNNING


@pytest.mark.parametrize("answer", ["", "\n", "garbage", "JOBID|NAME|\n1|x|\n", "slurm_load_jobs error"])
def test_what_is_no_table_has_no_jobs(answer: str) -> None:
    assert slurm.parse_table(answer, "|") == []


def test_a_state_of_a_later_slurm_is_unknown_and_no_end() -> None:
    (job,) = slurm.parse_table("JOBID|STATE|\n1|HIBERNATING|\n", "|")
    assert job.state is JobState.UNKNOWN
    assert not job.state.is_ended


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("n1", ("n1",)),
        ("n[1-3,7]", ("n1", "n2", "n3", "n7")),
        ("n[08-10],login", ("n08", "n09", "n10", "login")),
        ("r[1-2]n[1-2]", ("r1n1", "r1n2", "r2n1", "r2n2")),
        ("n[1-x]", ("n[1-x]",)),
    ],
)
def test_node_lists(text: str, names: tuple[str, ...]) -> None:
    assert slurm.parse_node_list(text) == names


def test_a_node_list_without_bounds_is_not_expanded() -> None:
    for text in ("n[1-999999999999]", "n[1-99999][1-99999][1-99999]"):
        assert slurm.parse_node_list(text) == (text,)


def test_command_lines() -> None:
    assert slurm.submit_argv("/a b/x.cluster", ["1", "2"], 4) == [
        "sbatch", "--parsable", "--kill-on-invalid-dep=yes", "--dependency=afterok:1:2", "--array=0-3", "--",
        "/a b/x.cluster",
    ]  # fmt: skip
    assert slurm.cancel_argv(["1", "2_3"]) == ["scancel", "--", "1", "2_3"]
    assert "--user=anna" in slurm.queue_argv("~", "anna")
    assert "--jobs=1,2" in slurm.history_argv("~", ["1", "2"])
    assert "--allusers" in slurm.history_argv("~")


@pytest.mark.parametrize(
    ("answer", "job_id"),
    [("12\n", "12"), ("12;lab\n", "12"), ("", None), ("Submitted batch job 12\nx", None), ("-1", None)],
)
def test_the_answer_of_sbatch(answer: str, job_id: str | None) -> None:
    assert slurm.parse_submitted(answer) == job_id


NAMES = st.text(st.characters(exclude_characters="~", exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.sampled_from(sorted(SLURM_WORDS)), NAMES), max_size=5))
def test_whatever_a_job_is_called_its_record_is_read_back(rows: list[tuple[int, str, str]]) -> None:
    table = ["JOBID~STATE~NAME~\n"] + [f"{number}~{word}~{name}~\n" for number, word, name in rows]
    seen = slurm.parse_table("".join(table), "~")
    assert [(job.job_id, job.state, job.name) for job in seen] == [
        (str(number), SLURM_WORDS[word], name.strip()) for number, word, name in rows
    ]
