"""The slurm section: what of it a job has, and how its values are read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from distribute_compute_config import Slurm, dump_text, effective_slurm, load_text
from distribute_compute_config.slurm_fields import Hint, MailType

META = "meta: {batch_name: b, namespace: n}\n"
TEXT = META + (
    'slurm: {partition: compute, time: "1:00:00", modules: [gcc/12.2], mail_type: ALL}\n'
    "python:\n  initialize: {build_file: b.py}\n  jobs:\n"
    "    - {name: one, file: r.py}\n"
    "    - {name: two, file: r.py, slurm: {time: 30, modules: [], ntasks: 4}}\n"
)


def test_each_key_of_a_job_goes_before_its_batchs() -> None:
    jobfile = load_text(TEXT, "f").jobfile
    one, two = (effective_slurm(jobfile, job) for job in jobfile.jobs)
    assert one == jobfile.slurm
    assert two == Slurm(partition="compute", time="30", modules=(), ntasks=4, mail_type=(MailType.ALL,))


def test_a_job_may_have_one_where_its_batch_has_none() -> None:
    text = META + "command: {jobs: [{name: a, command: x, slurm: {nodes: 2}}, {name: b, command: x}]}"
    jobfile = load_text(text, "f").jobfile
    assert [effective_slurm(jobfile, job) for job in jobfile.jobs] == [Slurm(nodes=2), Slurm()]


@pytest.mark.parametrize(
    ("key", "written", "read"),
    [
        ("time", 30, "30"),
        ("time", "2-00:30", "2-00:30"),
        ("mem_per_cpu", 10, "10M"),
        ("mem_per_cpu", "10", "10M"),
        ("mem_per_cpu", "2g", "2G"),
        ("mail_type", "begin, END", (MailType.BEGIN, MailType.END)),
        ("mail_type", ["FAIL"], (MailType.FAIL,)),
        ("hint", "nomultithread", Hint.NOMULTITHREAD),
        ("modules", ["gcc/12.2", "openmpi"], ("gcc/12.2", "openmpi")),
        ("job_name", "a b $HOME 'c'", "a b $HOME 'c'"),
    ],
)
def test_values_are_read_as_slurm_means_them(key: str, written: Any, read: Any) -> None:
    assert getattr(Slurm.model_validate({key: written}), key) == read


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("time", "0:00"),
        ("time", "1:60:00"),
        ("time", True),
        ("time", "1:00:00\n"),
        ("mem_per_cpu", "0M"),
        ("mem_per_cpu", 1.5),
        ("modules", "gcc"),
        ("job_name", ""),
        ("job_name", "x" * 1001),
        ("partition", ""),
        ("mail_type", [["END"]]),
    ],
)
def test_other_values_are_refused(key: str, written: Any) -> None:
    with pytest.raises(ValidationError):
        Slurm.model_validate({key: written})


def test_a_sweep_fills_in_what_slurm_calls_a_job() -> None:
    text = META + (
        "command:\n  jobs:\n    - name: 're{re}'\n      sweep: {re: [100, 400]}\n      command: x\n"
        "      slurm: {job_name: 'Re={re}', output: 'out-{re}-{other}.txt', partition: '{re}'}\n"
    )
    jobfile = load_text(text, "f").jobfile
    first, second = (effective_slurm(jobfile, job) for job in jobfile.jobs)
    assert (first.job_name, second.job_name) == ("Re=100", "Re=400")
    assert second.output == "out-400-{other}.txt"
    assert second.partition == "{re}"
    assert load_text(dump_text(jobfile), "f").jobfile == jobfile
