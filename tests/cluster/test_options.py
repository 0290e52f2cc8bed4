"""cluster.options: checking keyword arguments, and saying them to a scheduler."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import modes, options
from cluster.errors import OptionsError
from cluster.kinds import Kind, sanitise
from cluster.options import (
    ALLOWED_KWDS,
    CLUSTER_CORE,
    CLUSTER_KWDS,
    CLUSTER_OPTS,
    COMMON,
    NORMAL,
    NORMAL_KWDS,
    SLURM,
    SLURM_KWDS,
    SYNONYMS,
    TORQUE,
    TORQUE_KWDS,
    check_arguments,
    option_to_string,
    options_to_string,
    to_spool,
)
from distribute_compute_config.quantities import parse_duration

SCHEDULERS = ("slurm", "torque")


class TestChecking:
    @pytest.mark.parametrize(
        ("given", "checked"),
        [
            ({"cores": "4"}, {"cores": 4}),
            ({"cpus": 4.0, "nodes": None}, {"cores": 4}),
            ({"memory": "2GB"}, {"mem": 2048}),
            ({"mem": "512M"}, {"mem": 512}),
            ({"mem": 4000}, {"mem": 4000}),
            ({"mem": "4000"}, {"mem": 4000}),
            ({"mem": "1.5G"}, {"mem": 1536}),
            ({"mem": "1.3 gb"}, {"mem": 1332}),
            ({"mem": 0.5}, {"mem": 1}),
            ({"mem": "1k"}, {"mem": 1}),
            ({"walltime": "1:00:00"}, {"time": "01:00:00"}),
            ({"time": "2-00:00:30"}, {"time": "48:00:30"}),
            ({"time": "2h"}, {"time": "02:00:00"}),
            ({"time": 90}, {"time": "00:01:30"}),
            ({"time": 0.5}, {"time": "00:00:01"}),
            ({"time": timedelta(days=10)}, {"time": "240:00:00"}),
            ({"queue": "long,short"}, {"partition": "long,short"}),
            ({"features": "intel, gpu"}, {"features": ["intel", "gpu"]}),
            ({"features": ("intel",)}, {"features": ["intel"]}),
            ({"modules": {"b", "a/1.2"}}, {"modules": ["a/1.2", "b"]}),
            ({"imports": "from os import path, sep"}, {"imports": ["from os import path, sep"]}),
            ({"dir": Path("/a b")}, {"runpath": "/a b"}),
            ({"dependencies": 12}, {"depends": ["12"]}),
            ({"depend": [1, "2[].server"]}, {"depends": ["1", "2[].server"]}),
            ({"depends": "lab/batch/job"}, {"depends": ["lab/batch/job"]}),
            ({"exclusive": "yes", "clean_files": False}, {"exclusive": True, "clean_files": False}),
            ({"cpus": 4, "threads": "4", "cores": 4}, {"cores": 4}),
            ({"nice": "-5"}, {"nice": -5}),
        ],
    )
    def test_values_are_sanitised(self, given: dict[str, object], checked: dict[str, object]) -> None:
        assert check_arguments(given) == checked
        assert check_arguments(checked) == checked

    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("cores", "four", "a whole number above 0"),
            ("cores", 1.5, "a whole number above 0"),
            ("cores", True, "a whole number above 0"),
            ("mem", ["1"], "memory in MB, or a text such as 2GB"),
            ("time", True, "a length of time such as 2:00:00 or 2h"),
            ("account", 5, "a word"),
            ("features", 5, "a list of words"),
            ("features", {"a": 1}, "a list of words"),
            ("outfile", b"x", "a text"),
            ("exclusive", "maybe", "True or False"),
            ("exclusive", 1, "True or False"),
            ("depends", [None], "a job, an id, or a list of them"),
        ],
    )
    def test_a_wrong_type_names_option_value_and_type(self, name: str, value: object, wanted: str) -> None:
        with pytest.raises(TypeError) as caught:
            check_arguments({name: value})
        text = str(caught.value)
        assert text.startswith(f"{name}=")
        assert repr(value if name != "depends" else None) in text
        assert text.endswith(f"{name} must be {wanted}")

    @pytest.mark.parametrize(
        "value",
        ["lots", "", "-1", 0, "0.0G", "1.2.3", 10**40, -4, "2 parsecs", float("nan"), float("inf"), "1e3"],
    )
    def test_unreadable_memory_names_the_forms(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"accepted: 12G, 512M, 1\.5GiB, or a whole number of MB"):
            check_arguments({"mem": value})

    @pytest.mark.parametrize("value", ["soon", "60", "1:30", "1:75:00", 0, -1, float("inf"), ""])
    def test_unreadable_time_names_the_forms(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"accepted: 2h, .*1:00:00.*2-00:00:00.*number of seconds"):
            check_arguments({"time": value})

    def test_an_unknown_option_names_close_ones_and_the_command(self) -> None:
        with pytest.raises(OptionsError, match="no option 'walltim': did you mean walltime") as caught:
            check_arguments({"walltim": 1})
        assert caught.value.hint == "see all of them with: distribute keywords"

    def test_two_words_for_one_thing_must_agree(self) -> None:
        with pytest.raises(OptionsError, match=r"mem='1G' and memory=1000 contradict .*both mean mem"):
            check_arguments({"mem": "1G", "memory": 1000})

    @pytest.mark.parametrize("name", sorted(ALLOWED_KWDS))
    @pytest.mark.parametrize("break_", ["\n", "\r", "\x00", "\x1b", "\u2028", "\x0b", "\x85"])
    def test_nothing_begins_a_line_of_its_own(self, name: str, break_: str) -> None:
        with pytest.raises((TypeError, ValueError)):
            check_arguments({name: f"a{break_}#SBATCH --uid=0"})
        with pytest.raises((TypeError, ValueError)):
            option_to_string(name, f"a{break_}#SBATCH --uid=0", "slurm")

    @given(st.integers(1, 10**9))
    def test_times_mean_what_they_meant(self, seconds: int) -> None:
        assert parse_duration(sanitise("time", Kind.TIME, seconds)) == seconds


class TestGroups:
    def test_each_option_has_one_home_and_a_help(self) -> None:
        homes = (COMMON, NORMAL, CLUSTER_CORE, CLUSTER_OPTS, TORQUE, SLURM)
        names = [name for group in homes for name in group]
        assert sorted(names) == sorted(ALLOWED_KWDS)
        assert all(option.help and name == option.name for name, option in ALLOWED_KWDS.items())

    def test_composites(self) -> None:
        assert CLUSTER_KWDS.keys() == {*CLUSTER_CORE, *CLUSTER_OPTS, *TORQUE, *SLURM}
        assert SLURM_KWDS.keys() == {*COMMON, *CLUSTER_CORE, *CLUSTER_OPTS, *SLURM}
        assert TORQUE_KWDS.keys() == {*COMMON, *CLUSTER_CORE, *CLUSTER_OPTS, *TORQUE}
        assert NORMAL_KWDS.keys() == {*COMMON, *NORMAL, "time", "mem", "gpus", "features"}

    def test_forms_are_where_they_belong(self) -> None:
        assert all(
            option.slurm and option.torque for option in (*CLUSTER_CORE.values(), *CLUSTER_OPTS.values())
        )
        assert all(option.torque and not option.slurm for option in TORQUE.values())
        assert all(option.slurm and not option.torque for option in SLURM.values())
        for option in ALLOWED_KWDS.values():
            for form in filter(None, (option.slurm, option.torque)):
                assert form.count("{}") == (option.kind is not Kind.SWITCH)

    def test_synonyms_lead_to_options_and_hide_none(self) -> None:
        assert set(SYNONYMS.values()) <= set(ALLOWED_KWDS)
        assert not set(SYNONYMS) & set(ALLOWED_KWDS)
        for synonym, name in [("memory", "mem"), ("walltime", "time"), ("queue", "partition")]:
            assert SYNONYMS[synonym] == name
        assert {SYNONYMS[word] for word in ("depend", "dependency", "dependencies")} == {"depends"}
        assert {SYNONYMS[word] for word in ("cpus", "threads")} == {"cores"}

    def test_groups_can_t_be_changed(self) -> None:
        with pytest.raises(TypeError):
            COMMON["x"] = COMMON["cores"]  # type: ignore[index]


GIVEN: dict[str, Any] = {
    "cpus": 4, "nodes": 2, "memory": "2GB", "walltime": "2h", "features": "a,b", "gpus": 1,
    "depends": ["11", 12], "outfile": "my out #1", "mail_type": "begin,end", "mail_user": ["a@b.c", "d@e.f"],
    "queue": "long", "export": "A,B=1", "modules": ["gcc"], "begin": "now+1hour", "join": True,
}  # fmt: skip


class TestDirectives:
    def test_slurm(self) -> None:
        assert options_to_string(GIVEN, "slurm").splitlines() == [
            "#SBATCH --dependency=afterok:11:12 --kill-on-invalid-dep=yes",
            "#SBATCH --cpus-per-task=4",
            '#SBATCH --output="my out #1"',
            "#SBATCH --nodes=2",
            "#SBATCH --constraint=a&b",
            "#SBATCH --gres=gpu:1",
            "#SBATCH --time=02:00:00",
            "#SBATCH --mem=2048M",
            "#SBATCH --partition=long",
            "#SBATCH --export=A,B=1",
            "#SBATCH --mail-user=a@b.c,d@e.f",
            "#SBATCH --mail-type=begin,end",
            "#SBATCH --begin=now+1hour",
        ]

    def test_torque(self) -> None:
        assert options_to_string(GIVEN, "torque").splitlines() == [
            "#PBS -W depend=afterok:11:12",
            '#PBS -o "my out #1"',
            "#PBS -l walltime=02:00:00",
            "#PBS -l mem=2048mb",
            "#PBS -q long",
            "#PBS -v A,B=1",
            "#PBS -M a@b.c,d@e.f",
            "#PBS -m be",
            "#PBS -j oe",
            "#PBS -l nodes=2:ppn=4:a:b:gpus=1",
        ]

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("a;b|c&d $HOME", '"a;b|c&d $HOME"'),
            ("100%", "100%"),
            ("it's", '"it\'s"'),
            ("a\\n", '"a\\\\n"'),
            ('"', r'"\""'),
            ("a #b", '"a #b"'),
        ],
    )
    def test_slurm_reads_one_word(self, text: str, word: str) -> None:
        """Forms that sbatch 22.05 read back as the text: there a backslash is an escape in all quotes."""
        assert option_to_string("comment", text, "slurm") == f"#SBATCH --comment={word}"

    def test_torque_s_request_for_nodes(self) -> None:
        assert options_to_string({"cores": 4}, "torque") == "#PBS -l nodes=1:ppn=4"
        assert options_to_string({"nodes": 3}, "torque") == "#PBS -l nodes=3"
        assert option_to_string("features", ["a", "b"], "torque") == "#PBS -l nodes=1:a:b"
        assert option_to_string("nodes", 2, "torque") == "#PBS -l nodes=2"

    @pytest.mark.parametrize("mode", SCHEDULERS)
    def test_what_says_nothing_is_no_line(self, mode: str) -> None:
        assert options_to_string({}, mode) == ""
        assert options_to_string({"features": [], "gpus": 0, "exclusive": False}, mode) == ""
        assert option_to_string("mem", None, mode) == ""
        assert option_to_string("features", [], mode) == option_to_string("gpus", 0, mode) == ""

    def test_a_switch(self) -> None:
        assert option_to_string("exclusive", True, "slurm") == "#SBATCH --exclusive"
        assert option_to_string("exclusive", qtype="slurm") == "#SBATCH --exclusive"
        assert option_to_string("exclusive", False, "slurm") == ""

    @pytest.mark.parametrize(
        ("name", "value", "mode"),
        [("begin", "now", "torque"), ("join", True, "slurm"), ("mem", 5, "local"), ("retries", 1, "slurm")],
    )
    def test_a_foreign_option_is_a_debug_message_and_nothing(
        self, name: str, value: object, mode: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert option_to_string(name, value, mode) == ""
        (record,) = caplog.records
        assert record.levelname == "DEBUG"
        assert f"{name} is no option of a {mode} job's script" in record.message
        caplog.clear()
        assert options_to_string({name: value}, mode) == ""
        assert name in caplog.text

    def test_the_current_mode_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(modes, "MODE", "slurm")
        assert option_to_string("memory", "1G") == "#SBATCH --mem=1024M"
        assert options_to_string({"memory": "1G"}) == "#SBATCH --mem=1024M"

    def test_what_a_scheduler_can_t_be_told_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="may not have a ':' in it"):
            option_to_string("features", ["a:ppn=64"], "torque")
        with pytest.raises(ValueError, match="can't have quotes"):
            option_to_string("outfile", "it's", "torque")
        with pytest.raises(ValueError, match="mail_type='maybe' is nothing to Torque"):
            option_to_string("mail_type", "maybe", "torque")

    def test_jobs_are_told_by_their_ids(self) -> None:
        class Submitted:
            id = 17

        class Waiting:
            id = None

        assert option_to_string("depends", Submitted(), "torque") == "#PBS -W depend=afterok:17"
        with pytest.raises(ValueError, match="has it been submitted"):
            option_to_string("depends", [Waiting()], "slurm")

    @given(
        st.sampled_from(SCHEDULERS),
        st.sampled_from(sorted(ALLOWED_KWDS)),
        st.text() | st.integers() | st.booleans(),
    )
    def test_one_option_is_one_line_or_an_error(self, mode: str, name: str, value: object) -> None:
        try:
            line = option_to_string(name, value, mode)
        except (TypeError, ValueError):
            return
        assert len(line.splitlines()) <= 1
        assert line == "" or line.startswith(("#SBATCH -", "#PBS -"))


class TestSpool:
    def test_what_a_job_asks_of_a_node(self) -> None:
        request = to_spool({**GIVEN, "retries": 2, "priority": -3, "capabilities": ["gcc", "a"]})
        assert request == options.SpoolRequest(
            cores=4,
            memory_bytes=2 * 1024**3,
            gpus=1,
            time_s=7200.0,
            capabilities=("gcc", "a", "b"),
            retries=2,
            priority=-3,
            inexpressible=("nodes", "mail_type", "mail_user", "partition", "export", "begin", "join"),
        )

    def test_nothing_asked_is_nothing_asked(self) -> None:
        assert to_spool({}) == options.SpoolRequest()
        assert to_spool({"nodes": 1}).inexpressible == ()
