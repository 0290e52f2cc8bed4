"""What is written as YAML or JSON loads back equal."""

from __future__ import annotations

import yaml
from hypothesis import HealthCheck, given, settings

from distribute_compute_config import JobFile, dump_text, load_text
from tests.config.strategies import jobfiles

_unhurried = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@settings(_unhurried, max_examples=60)
@given(jobfiles())
def test_a_dumped_job_file_loads_back_equal(jobfile: JobFile) -> None:
    assert load_text(dump_text(jobfile), "x").jobfile == jobfile


@settings(_unhurried, max_examples=30)
@given(jobfiles())
def test_json_reads_back_equal(jobfile: JobFile) -> None:
    assert JobFile.model_validate_json(jobfile.model_dump_json()) == jobfile


@settings(_unhurried, max_examples=30)
@given(jobfiles())
def test_a_usual_yaml_reader_reads_the_same(jobfile: JobFile) -> None:
    data = yaml.safe_load(dump_text(jobfile))
    assert JobFile.model_validate(data) == jobfile
