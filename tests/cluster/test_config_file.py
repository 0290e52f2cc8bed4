"""cluster.config_file: options and profiles in an INI file that several processes may change at once."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster import ini
from cluster.config_file import (
    Profile,
    config_path,
    create_config,
    del_profile,
    delete,
    get_config,
    get_option,
    get_profile,
    set_option,
    set_profile,
)
from cluster.errors import ConfigError, OptionsError, ProfileNotFound
from cluster.kinds import Kind
from cluster.options import ALLOWED_KWDS, check_arguments
from cluster.settings import SETTINGS
from distribute_compute_config.names import InvalidName

_words = st.from_regex(r"[A-Za-z0-9_.+%/@=~^][A-Za-z0-9_.+%/@=~^*:-]{0,8}", fullmatch=True)
_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(
    lambda text: text.isprintable() and text.strip(" ")
)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.COUNT: st.integers(1, 10**6),
    Kind.AMOUNT: st.integers(0, 10**6),
    Kind.NUMBER: st.integers(-(10**6), 10**6),
    Kind.TEXT: _texts,
    Kind.WORD: _words,
    Kind.TEXTS: st.lists(_texts, max_size=4),
    Kind.WORDS: st.lists(_words, max_size=4),
    Kind.MEMORY: st.integers(1, 10**7),
    Kind.TIME: st.integers(1, 10**7),
    Kind.SWITCH: st.booleans(),
    Kind.JOBS: st.lists(st.integers(1, 10**6), max_size=4),
}
_keywords = st.fixed_dictionaries(
    {}, optional={name: VALUES[option.kind] for name, option in ALLOWED_KWDS.items()}
)


class TestProfiles:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(_keywords)
    def test_types_survive_the_file(self, keywords: dict[str, Any]) -> None:
        Profile(keywords, "mine").write()
        assert dict(get_profile("mine")) == check_arguments(keywords)
        assert set_profile("mine", {}) == get_profile("mine")

    def test_a_profile_is_its_keywords(self) -> None:
        profile = Profile({"memory": "2GB", "cpus": 4})
        assert (profile.mem, profile.memory, profile["memory"], profile.cores) == (2048, 2048, 2048, 4)
        assert profile == {"mem": 2048, "cores": 4}
        profile.walltime = "1h"
        profile["queue"] = "long"
        del profile.mem
        assert dict(profile) == {"cores": 4, "time": "01:00:00", "partition": "long"}
        profile.partition = None
        assert repr(profile) == "Profile({'cores': 4, 'time': '01:00:00'}, name=None)"
        assert copy.deepcopy(profile) == profile

    def test_a_change_is_checked(self) -> None:
        profile = Profile()
        with pytest.raises(TypeError, match="cores='many'"):
            profile.cores = "many"
        with pytest.raises(OptionsError, match="did you mean cores"):
            profile.core = 4
        with pytest.raises(AttributeError, match="has no 'mem'"):
            profile.mem  # noqa: B018
        with pytest.raises(AttributeError):
            del profile.mem
        assert not hasattr(profile, "no_such_option")
        assert dict(profile) == {}

    def test_no_option_hides_behind_a_method(self) -> None:
        assert not set(ALLOWED_KWDS) & {*dir(Profile), "name"}

    def test_without_a_name_it_can_t_be_written(self) -> None:
        with pytest.raises(ConfigError, match="no name"):
            Profile({"cores": 1}).write()
        profile = Profile({"cores": 1})
        profile.write("later")
        assert (profile.name, get_profile("later").cores) == ("later", 1)

    def test_writing_replaces_and_setting_adds(self) -> None:
        set_profile("small", {"cores": 1, "mem": "1G"})
        assert set_profile("small", {"cores": 2, "time": "1h"}) == {
            "cores": 2,
            "mem": 1024,
            "time": "01:00:00",
        }
        assert set_profile("small", {"memory": None}) == {"cores": 2, "time": "01:00:00"}
        assert set_profile("small", {"nodes": 1}, update=False) == {"nodes": 1}
        Profile({"gpus": 1}, "small").write()
        assert dict(get_profile("small")) == {"gpus": 1}

    def test_there_always_is_a_default(self) -> None:
        assert {name: dict(one) for name, one in get_profile().items()} == {
            "default": {"nodes": 1, "cores": 1}
        }
        set_profile("default", {"mem": "1G"})
        assert dict(get_profile("default")) == {"nodes": 1, "cores": 1, "mem": 1024}
        del_profile("default")
        del_profile("default")
        assert dict(get_profile("default")) == {"nodes": 1, "cores": 1}

    def test_one_that_doesn_t_exist_names_the_known_ones(self) -> None:
        set_profile("small", {})
        set_profile("large", {})
        asked: list[Callable[[str], object]] = [get_profile, del_profile]
        for ask in asked:
            with pytest.raises(ProfileNotFound, match="'smal': there are default, large, small") as caught:
                ask("smal")
            assert caught.value.hint == "did you mean small?"
        with pytest.raises(ProfileNotFound) as caught:
            get_profile("zzz")
        assert "distribute profile set zzz" in caught.value.hint
        del_profile("small")
        assert list(get_profile()) == ["default", "large"]

    @pytest.mark.parametrize("name", ["", "a]b", "a\nb", "../x", "-"])
    def test_a_name_is_a_name(self, name: str) -> None:
        with pytest.raises((InvalidName, ConfigError)):
            Profile({}, name).write()
        with pytest.raises(InvalidName):
            set_profile(name, {})
        assert list(get_profile()) == ["default"]

    def test_jobs_are_kept_by_their_ids_only(self) -> None:
        with pytest.raises(TypeError, match="can't keep jobs"):
            Profile({"depends": [object()]}, "x").write()

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("cores = many", "cores='many' is of type str"),
            ("mem = lots", "accepted: 12G"),
            ("corse = 4", "no option 'corse'"),
            ("cpus = 4\ncores = 5", "contradict"),
            ('imports = ["a', "is not a list in JSON"),
            ("outfile = a\n  --uid=0", "line break"),
        ],
    )
    def test_what_was_written_by_hand_is_checked(self, line: str, complaint: str) -> None:
        config_path().parent.mkdir(parents=True)
        config_path().write_text(f"[prof_odd]\n{line}\n")
        with pytest.raises(ConfigError, match=complaint) as caught:
            get_profile("odd")
        assert caught.value.what == f"{config_path()}, profile odd"
        assert "distribute profile delete odd" in caught.value.hint
        del_profile("odd")
        assert list(get_profile()) == ["default"]


class TestOptions:
    def test_defaults_without_a_file(self) -> None:
        assert get_option("queue", "queue_type") == "auto"
        assert get_option("jobs")["suffix"] == "cluster"
        assert set(get_option()) == {"queue", "jobs", "jobqueue"}
        assert not config_path().exists()

    def test_set_get_delete(self) -> None:
        set_option("jobs", "clean_files", "yes")
        set_option("queue", "queue_update", 5)
        assert (get_option("jobs", "clean_files"), get_option("queue", "queue_update")) == (True, 5)
        assert get_config()["jobs"]["clean_files"] == "true"
        delete("jobs", "clean_files")
        delete("jobqueue", "threads")
        assert get_option("jobs", "clean_files") is False
        delete("queue")
        delete("queue")
        set_profile("small", {})
        delete("prof_small")
        with pytest.raises(ConfigError, match="no section 'prof_small'"):
            delete("prof_small")
        assert get_option("queue", "queue_update") == 2

    def test_every_default_is_a_legal_value(self) -> None:
        create_config()
        assert get_option() == {
            section: {key: one.default for key, one in keys.items()} for section, keys in SETTINGS.items()
        }
        assert ini.read(config_path())["queue"]["queue_type"] == "auto"

    def test_a_file_is_made_once(self) -> None:
        create_config({"jobs": {"suffix": "job"}}, def_queue="slurm")
        assert (get_option("jobs", "suffix"), get_option("queue", "queue_type")) == ("job", "slurm")
        set_profile("small", {})
        with pytest.raises(ConfigError, match="is there already"):
            create_config()
        create_config(overwrite=True)
        assert (get_option("jobs", "suffix"), list(get_profile())) == ("cluster", ["default"])

    def test_what_doesn_t_exist_is_named(self) -> None:
        with pytest.raises(ConfigError, match="no section 'job': there are queue, jobs, jobqueue"):
            get_option("job")
        with pytest.raises(ConfigError, match="no option 'sufix': did you mean suffix"):
            set_option("jobs", "sufix", "x")
        with pytest.raises(ConfigError, match="no option 'x': there are queue_type"):
            delete("queue", "x")
        assert get_option("jobs", "sufix", None) is None
        assert get_option("nothing", "at all", 3) == 3

    def test_values_are_checked_on_both_ways(self) -> None:
        with pytest.raises(ValueError, match="queue_type='pbs' is none of auto, slurm"):
            set_option("queue", "queue_type", "pbs")
        with pytest.raises(TypeError, match="clean_files=3"):
            set_option("jobs", "clean_files", 3)
        set_option("jobqueue", "threads", 4)
        config_path().write_text(config_path().read_text().replace("4", "four"))
        with pytest.raises(ConfigError, match="threads='four' is of type str"):
            get_option("jobqueue", "threads")
        assert get_option("jobs", "suffix") == "cluster"

    @pytest.mark.parametrize("data", [b"no section\n", b"[a]\n[a]\n", b"\xff\xfe", b"[queue]\nx\n"])
    def test_a_broken_file_is_an_error_that_names_it(self, data: bytes) -> None:
        config_path().parent.mkdir(parents=True)
        config_path().write_bytes(data)
        with pytest.raises(ConfigError, match=r"cluster\.ini can't be read"):
            get_option("queue", "queue_type")
        with pytest.raises(ConfigError, match=r"cluster\.ini can't be read"):
            set_option("jobs", "suffix", "x")
        assert config_path().read_bytes() == data


class TestFile:
    def test_two_processes_at_once_lose_nothing(self) -> None:
        program = (
            "import sys; from cluster.config_file import set_profile\n"
            "for n in range(15): set_profile(f'{sys.argv[1]}{n}', {'cores': n + 1})"
        )
        writers = [subprocess.Popen([sys.executable, "-c", program, who]) for who in "abc"]
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
        profiles = get_profile()
        assert len(profiles) == 46
        assert all(profiles[f"{who}{n}"].cores == n + 1 for who in "abc" for n in range(15))

    def test_who_holds_the_lock_for_too_long_is_told_of(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ini, "_LOCK_TIMEOUT_S", 0.1)
        config_path().parent.mkdir(parents=True)
        with (
            FileLock(f"{config_path()}.lock"),
            pytest.raises(ConfigError, match="another process has locked it"),
        ):
            set_option("jobs", "suffix", "x")

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        config_path().parent.mkdir(parents=True)
        config_path().symlink_to(tmp_path / "dotfiles.ini")
        set_option("jobs", "suffix", "x")
        assert config_path().is_symlink()
        assert "suffix = x" in (tmp_path / "dotfiles.ini").read_text()

    def test_who_reads_meanwhile_has_the_file_before_or_after(self) -> None:
        set_option("jobs", "suffix", "old")
        with open(config_path()) as reader:
            set_option("jobs", "suffix", "new")
            assert "suffix = old" in reader.read()
        assert get_option("jobs", "suffix") == "new"

    def test_a_failed_change_leaves_the_file_and_no_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        set_option("jobs", "suffix", "old")

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match=r"can't be written: .*No space left"):
            set_option("jobs", "suffix", "new")
        assert get_option("jobs", "suffix") == "old"
        assert {path.name for path in config_path().parent.iterdir()} <= {"cluster.ini", "cluster.ini.lock"}
