"""Hypothesis strategies for names, quantities and whole, valid job files."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from distribute_compute_config import (
    AnyJob,
    CommandDescription,
    CommandInitialize,
    CommandJob,
    Description,
    File,
    Initialize,
    Job,
    JobFile,
    Kind,
    Meta,
    PythonDescription,
    PythonInitialize,
    PythonJob,
    Resources,
    Slurm,
)
from distribute_compute_config.fields import EVICT_SIGNALS
from distribute_compute_config.names import is_name
from distribute_compute_config.slurm_fields import Hint, MailType

_LEADING = string.ascii_letters + string.digits
names = st.one_of(
    st.builds("".join, st.tuples(st.sampled_from(_LEADING), st.text(f"{_LEADING}._-", max_size=99))),
    # Names that YAML readers take for something else when they stand without quotes.
    st.sampled_from(
        ["no", "on", "null", "true", "010", "0x1F", "1.5", "1e3", "2024-01-01", "0o17", "42", "a"]
    ),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    str.strip
)
paths = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).filter(str.strip)
memories = st.integers(1024**2, 1024**6)
durations = st.one_of(st.integers(1, 10**9).map(float), st.floats(1e-3, 1e12))
matrix_ids = st.builds("@{}:{}".format, names, names.filter(lambda name: "_" not in name))
resources = st.builds(
    Resources,
    cores=st.none() | st.integers(1, 512),
    memory=st.none() | memories,
    gpus=st.none() | st.integers(0, 16),
    time=st.none() | durations,
)
_printable = st.characters(exclude_categories=["C", "Z"])
words = st.text(_printable, min_size=1, max_size=20).filter(lambda text: not text.startswith("-"))
lines = st.text(st.one_of(_printable, st.just(" ")), min_size=1, max_size=20).filter(str.strip)
slurms = st.builds(
    Slurm,
    job_name=st.none() | lines,
    output=st.none() | lines,
    nodes=st.none() | st.integers(1, 100),
    ntasks=st.none() | st.integers(1, 100),
    cpus_per_task=st.none() | st.integers(1, 100),
    mem_per_cpu=st.sampled_from([None, 10, "10", "10M", "2g"]),
    hint=st.none() | st.sampled_from(Hint),
    time=st.sampled_from([None, 30, "30", "30:00", "1:00:00", "2-00", "2-00:30", "2-00:30:00"]),
    partition=st.none() | words,
    account=st.none() | words,
    mail_user=st.none() | words,
    mail_type=st.sampled_from([None, (), "END", "BEGIN,END", (MailType.ALL,)]),
    constraint=st.none() | words,
    gres=st.none() | words,
    qos=st.none() | words,
    modules=st.none() | st.lists(words, max_size=2),
)
# Expanded: no text of a job file mentions these parameters any more.
combinations = st.dictionaries(
    st.sampled_from(["reynolds_number", "grid_points"]),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1, max_size=1),
)
scripts = st.builds(File, path=paths, alias=st.none() | names)
signals = st.sampled_from(EVICT_SIGNALS)
graces = st.integers(1, 3600).map(float)
metas = st.builds(
    Meta,
    batch_name=names,
    namespace=names,
    matrix=st.none() | matrix_ids,
    capabilities=st.lists(names, max_size=3),
    resources=st.none() | resources,
    priority=st.integers(-1000, 1000),
    retries=st.integers(0, 100),
    after=st.lists(
        st.builds("{}/{}".format, names, names.map("other-{}".format).filter(is_name)), max_size=2
    ),
    on_evict=st.none() | signals,
    evict_grace=st.none() | graces,
    resume=st.booleans(),
)


def _inputs(called: list[str], swept: bool = False) -> st.SearchStrategy[tuple[File, ...]]:
    """Files with just these names, by alias or by path; those of a job with a sweep may be templates."""
    template = st.booleans() if swept else st.just(False)
    one = st.tuples(paths, st.booleans(), template)
    return st.lists(one, min_size=len(called), max_size=len(called)).map(
        lambda drawn: tuple(
            File(path=f"dir/{name}", template=template)
            if by_path
            else File(path=path, alias=name, template=template)
            for name, (path, by_path, template) in zip(called, drawn, strict=True)
        )
    )


@st.composite
def _jobs(draw: st.DrawFn, kind: Kind, free_names: list[str]) -> tuple[AnyJob, ...]:
    """Jobs of distinct names; each depends on earlier ones only, its files are called from ``free_names``."""
    jobs: list[AnyJob] = []
    called = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    for index, name in enumerate(called):
        files = draw(st.lists(st.sampled_from(free_names), unique=True, max_size=3)) if free_names else []
        sweep = draw(st.just({}) | combinations)
        common = {
            "name": name,
            "sweep": sweep,
            "required_files": draw(_inputs(files, bool(sweep))),
            "resources": draw(st.none() | resources),
            "priority": draw(st.none() | st.integers(-1000, 1000)),
            "retries": draw(st.none() | st.integers(0, 100)),
            "on_evict": draw(st.none() | signals),
            "evict_grace": draw(st.none() | graces),
            "resume": draw(st.none() | st.booleans()),
            "slurm": draw(st.none() | slurms),
            "depends": draw(st.lists(st.sampled_from(called[:index]), unique=True)) if index else [],
        }
        if kind is Kind.PYTHON:
            jobs.append(PythonJob(**common, file=draw(scripts)))
        elif kind is Kind.COMMAND:
            jobs.append(CommandJob(**common, command=draw(texts)))
        else:
            jobs.append(Job(**common))
    return tuple(jobs)


@st.composite
def jobfiles(draw: st.DrawFn, kinds: tuple[Kind, ...] = tuple(Kind)) -> JobFile:
    """Valid job files of these kinds."""
    kind = draw(st.sampled_from(kinds))
    called = draw(st.lists(names, unique=True, max_size=6))
    shared = draw(_inputs(called[: len(called) // 2]))
    jobs = draw(_jobs(kind, called[len(called) // 2 :]))
    whole = {"meta": draw(metas), "slurm": draw(st.none() | slurms)}
    if kind is Kind.PYTHON:
        build = PythonInitialize(build_file=draw(scripts), required_files=shared)
        return JobFile(**whole, python=PythonDescription(initialize=build, jobs=jobs))
    if kind is Kind.COMMAND:
        built = CommandInitialize(build=draw(st.none() | texts), required_files=shared)
        return JobFile(
            **whole, command=CommandDescription(initialize=draw(st.sampled_from([built, None])), jobs=jobs)
        )
    mounts = draw(st.lists(names.map("/solver/{}".format), unique=True, max_size=2))
    image = Initialize(sif=draw(scripts), required_files=shared, required_mounts=mounts)
    return JobFile(**whole, apptainer=Description(initialize=image, jobs=jobs))
