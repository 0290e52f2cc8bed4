"""Bad job files: what is said, and at which line and column."""

from __future__ import annotations

import re
import time

import pytest
import yaml

from distribute_compute_config import DistributeError, JobFileError, load_text, syntax
from distribute_compute_config.loading import load_bytes
from distribute_compute_config.problems import PROBLEMS_MAX, describe_loc

META = "meta:\n  batch_name: a\n  namespace: b\n"
COMMAND = META + "command:\n  jobs:\n    - name: j\n      command: x\n"
PYTHON = META + "python:\n  initialize:\n    build_file: b.py\n  jobs:\n    - name: j\n      file: r.py\n"
APPTAINER = (
    META + "apptainer:\n  initialize:\n    sif: a.sif\n    required_mounts: [MOUNT]\n  jobs: [{name: j}]\n"
)


def complaints(text: str) -> list[str]:
    with pytest.raises(JobFileError) as caught:
        load_text(text, "f")
    assert isinstance(caught.value, DistributeError)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem).removeprefix("f:") for problem in caught.value.problems]


def job(more: str) -> str:
    return f"{COMMAND}      {more}\n"


# The file, then the start of each message in order: line, column, what and (as far as it matters) why.
STRUCTURE = {
    "empty": ("", ["1:1: job file: it is empty"]),
    "only a comment": ("# nothing\n", ["1:1: job file: it is empty"]),
    "only a document start": ("---\n", ["2:1: job file: it is empty"]),
    "a list at the top": ("# x\n- a\n", ["2:1: job file: its top level is no mapping"]),
    "a word at the top": ("hello", ["1:1: job file: its top level is no mapping"]),
    "two documents": (COMMAND + "---\na: b\n", ["8:1: ---: a second document starts here"]),
    "a tab alone": (
        "a:\n\t- b\n",
        ["1:1: a: there is no such key", "1:1: job file: no jobs", "1:1: meta", "2:1: tab: a tab stands in"],
    ),
    "a tab, and mistakes after it": (
        "meta:\n\tbatch_name: a\n  matrix: @a:b\nfoo: 1\n",
        [
            *("1:1: job file: no jobs", "2:1: tab: ", "2:2: meta.namespace: it is missing"),
            *("3:11: @a:b: YAML lets no unquoted text", "4:1: foo: there is no such key"),
        ],
    ),
    "a column behind a tab": (
        f"{COMMAND.rstrip()}\n    - name: 010\n \t  command: ''\n",
        ["8:13: 010: some YAML readers", "9:2: tab: ", "9:14: command.jobs[1].command: it is empty; write"],
    ),
    "a tab after spaces": (COMMAND + "  \tx: 1\n", ["8:3: tab: a tab stands in the indentation"]),
    "tabs on several lines": (
        "a:\n\tb: 1\n\tc: 2\n",
        ["1:1: a: there", "1:1: job file: no", "1:1: meta", "2:1: tab: ", "3:1: tab: "],
    ),
    "a colon in a value": ("a: b: c\n", ["1:5: YAML: mapping values are not allowed"]),
    "bad indentation": ("a:\n  - b\n c: d\n", ["3:2: YAML: while parsing a block mapping, did not find"]),
    "an open quote": ('a: "x', ["1:6: YAML: while scanning a quoted scalar, found unexpected end"]),
    "an open bracket": ("a: [1, 2\n", ["2:1: YAML: while parsing a flow sequence"]),
    "a backtick": ("a: `x`", ["1:4: YAML: while scanning for the next token, found character"]),
    "NUL": ("a: b\0", ["1:5: character U+0000: it can't stand in a job file"]),
    "a control character": ("a:\n b: \x1b[31m\n", ["2:5: character U+001B"]),
    "next line": ("a: b\x85c\n", ["1:5: character U+0085"]),
    "a line separator": ("a: b\u2028c\n", ["1:5: character U+2028"]),
    "a surrogate": ("a: \ud800\n", ["1:4: character U+D800"]),
    "a byte order mark": ("\ufeffa: b\n", ["1:1: byte order mark: "]),
    "nested too deep": ("a: " + "[" * 1_000_000, ["1:19: nesting: deeper than 16 levels"]),
    "anchor, alias and tag": (
        COMMAND.replace("name: j", "name: &n j").replace("command: x", "command: *n")
        + '      priority: !!int "3"\n',
        ["6:13: &n: anchors", "7:16: *n: aliases", "8:17: tag:yaml.org,2002:int: tags are not allowed"],
    ),
    "a Python tag": (
        COMMAND.replace("command: x", "command: !!python/object/apply:os.system [reboot]"),
        ["7:16: tag:yaml.org,2002:python/object/apply:os.system: tags are not allowed"],
    ),
    "an anchored mapping": (META.replace("meta:", "meta: &m") + COMMAND[len(META) :], ["1:7: &m: anchors"]),
    "an alias bomb": (
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n" + COMMAND,
        [
            *(
                "1:1: a: there is no such key",
                "1:4: &a: ",
                "2:1: b: ",
                "2:4: &b: ",
                "2:8: *a: ",
                "2:12: *a: ",
            ),
            *("3:1: c: ", "3:4: &c: ", "3:8: *b: ", "3:12: *b: "),
        ],
    ),
    "a merge key": (job("<<: {retries: 3}"), ["8:7: <<: merge keys are not allowed"]),
    "a duplicate key": (
        job("command: y"),
        ["8:7: 'command': the key stands in this mapping already, on line 7"],
    ),
    "a list as a key": (job("? [a]\n      : b"), ["8:9: key: a key must be a word"]),
    "an empty key": (job('"": b'), ["8:7: command.jobs[0].: there is no such key"]),
}

VALUES = {
    "no section": (META, ["1:1: job file: no jobs: python, command and apptainer are all missing"]),
    "an empty section": (META + "command: ~\n", ["1:1: job file: no jobs: "]),
    "two sections": (
        COMMAND + PYTHON[len(META) :],
        ["4:1: command: python is there already, a job file has one of both"],
    ),
    "no meta": (COMMAND[len(META) :], ["1:1: meta: it is missing"]),
    "no initialize": (META + "python:\n  jobs: [{name: a, file: b}]\n", ["5:3: python.initialize: it is missing"]),
    "no jobs": (META + "command:\n  jobs: []\n", ["5:9: command.jobs: the list is empty"]),
    "jobs that are no list": (META + "command:\n  jobs: x\n", ["5:9: command.jobs: a list is wanted, not x"]),
    "a job that is no mapping": (META + "command:\n  jobs: [x]\n", ["5:10: command.jobs[0]: a mapping is wanted, not x"]),
    "a misspelt key": (job("requierd_files: []"), ["8:7: command.jobs[0].requierd_files: there is no such key; did you mean required_files?"]),
    "an unknown key": (job("zzz: []"), ["8:7: command.jobs[0].zzz: there is no such key; the keys here are name, "]),
    "a misspelt section": (COMMAND + "comand: 1\n", ["8:1: comand: there is no such key; did you mean command?"]),
    "a key of another kind": (job("file: a.py"), ["8:7: command.jobs[0].file: there is no such key"]),
    "resources misspelt": (job("resources: {core: 3}"), ["8:19: command.jobs[0].resources.core: there is no such key; did you mean cores?"]),
    "a script that is a number": (PYTHON.replace("r.py", "12"), ["9:13: python.jobs[0].file: YAML reads 12 as a number, a path is wanted; put it in quotes: \"12\""]),
    "a script that is a list": (PYTHON.replace("r.py", "[a]"), ["9:13: python.jobs[0].file: a path is wanted, not a list"]),
    "a script without a path": (PYTHON.replace("r.py", "{alias: a}"), ["9:13: python.jobs[0].file.path: it is missing"]),
    "a script with an empty path": (PYTHON.replace("r.py", "''"), ["9:13: python.jobs[0].file.path: it is empty"]),
    "an empty command": (COMMAND.replace("x", "' '"), ["7:16: command.jobs[0].command: it is empty"]),
    "no command": (COMMAND.replace("command: x", "command:"), ["7:15: command.jobs[0].command: text is wanted, not nothing"]),
    "a command with NUL": (COMMAND.replace("x", '"a\\0b"'), ["7:16: command.jobs[0].command: it holds a NUL"]),
    "a command that is a mapping": (COMMAND.replace("command: x", "command: {a: b}"), ["7:16: command.jobs[0].command: text is wanted, not a mapping"]),
    "a path with a control character": (job('required_files: ["a\\nb"]'), ["8:24: command.jobs[0].required_files[0].path: 'a\\nb' holds a control character"]),
    "a path without a usable name": (job("required_files: [dir/a b]"), ["8:24: command.jobs[0].required_files[0]: the file would be called 'a b' in input/"]),
    "a path to a folder": (job("required_files: [dir/]"), ["8:24: command.jobs[0].required_files[0]: the file would be called '' in input/"]),
    "an alias that climbs": (job("required_files: [{path: a, alias: ../x}]"), ["8:41: command.jobs[0].required_files[0].alias: '../x' is no valid name"]),
    "two files of one name": (
        job("required_files: [a/x.json, b/x.json]"),
        ["8:34: command.jobs[0].required_files[1]: two files would be called 'x.json' in input/: this one and 'a/x.json'; "],
    ),
    "two files with one alias": (
        job("required_files: [{path: a, alias: x}, {path: b, alias: x}]"),
        ["8:45: command.jobs[0].required_files[1]: two files would be called 'x'"],
    ),
    "a job's file of the name of a shared one": (
        PYTHON.replace("b.py\n", "b.py\n    required_files: [x]\n") + "      required_files: [y, {path: z, alias: x}]\n",
        ["11:27: python.jobs[0].required_files[1]: two files would be called 'x' in input/: this one and 'x' of initialize"],
    ),
    "two jobs of one name": (COMMAND + "    - {name: j, command: y}\n", ["8:14: command.jobs[1].name: the name 'j' belongs to job 1 already"]),
    "a job that waits for itself": (job("depends: [j]"), ["8:17: command.jobs[0].depends[0]: the job depends on itself"]),
    "a job that waits for nobody": (
        job("depends: [job1, zzz]").replace("name: j", "name: job0"),
        ["8:17: command.jobs[0].depends[0]: there is no job 'job1' in this file; did you mean job0?", "8:23: command.jobs[0].depends[1]: there is no job 'zzz' in this file; write"],
    ),
    "jobs that wait for each other": (
        COMMAND + "    - {name: a, command: x, depends: [c]}\n    - {name: b, command: x, depends: [a, j]}\n    - {name: c, command: x, depends: [j, b]}\n",
        ["9:39: command.jobs[2].depends[0]: jobs wait for each other: a → c → b → a"],
    ),
    "a bad Matrix user": (COMMAND.replace("meta:", "meta:\n  matrix: me"), ["2:11: meta.matrix: 'me' is no Matrix user"]),
    "a Matrix user without a server": (COMMAND.replace("meta:", 'meta:\n  matrix: "@me"'), ["2:11: meta.matrix: '@me' is no Matrix user"]),
    "a bad capability": (COMMAND.replace("meta:", "meta:\n  capabilities: [gcc, c++]"), ["2:23: meta.capabilities[1]: 'c++' is no valid name"]),
    "capabilities that are no list": (COMMAND.replace("meta:", "meta:\n  capabilities: gcc"), ["2:17: meta.capabilities: a list is wanted, not gcc"]),
    "resources": (
        job('resources: {cores: -1, memory: 12GBB, gpus: "1", time: "90"}'),
        [
            "8:26: command.jobs[0].resources.cores: the number is too small; write 1 or more",
            "8:38: command.jobs[0].resources.memory: '12GBB' is not an amount of memory; write it as 12G",
            '8:51: command.jobs[0].resources.gpus: a whole number is wanted, not the text "1"',
            "8:62: command.jobs[0].resources.time: '90' is not a length of time; write it as 2h",
        ],
    ),
    "more resources": (
        job("resources: {cores: 2.5, memory: 16, gpus: true, time: []}"),
        [
            "8:26: command.jobs[0].resources.cores: a whole number is wanted, not 2.5",
            "8:39: command.jobs[0].resources.memory: 16 bytes are less than 1 MiB; write the unit too, such as 16G",
            "8:49: command.jobs[0].resources.gpus: a whole number is wanted, not true",
            "8:61: command.jobs[0].resources.time: [] is not an amount",
        ],
    ),
    "an unknown signal": (job("on_evict: KILL"), ["8:17: command.jobs[0].on_evict: 'KILL' is no signal that a job can ask for; write TERM, INT, HUP, USR1, USR2 or CONT"]),
    "a signal as a number": (job("on_evict: 10"), ["8:17: command.jobs[0].on_evict: YAML reads 10 as a number, text is wanted"]),
    "a long grace": (job("evict_grace: 61m"), ["8:20: command.jobs[0].evict_grace: 3660 s are more than an hour; write 1h or less"]),
    "no grace": (job("evict_grace: 0"), ["8:20: command.jobs[0].evict_grace: 0 is not a positive length of time"]),
    "a resume in words": (job("resume: maybe"), ["8:15: command.jobs[0].resume: true or false is wanted, not maybe; "]),
    "after no batch": (COMMAND.replace("namespace: b", "namespace: b\n  after: meshes"), ["4:10: meta.after[0]: 'meshes' is no batch; write its namespace and its name: anna/meshes"]),
    "after a path": (COMMAND.replace("namespace: b", "namespace: b\n  after: [b/c, b/c/d]"), ["4:16: meta.after[1]: 'b/c/d' is no batch"]),
    "after itself": (COMMAND.replace("namespace: b", "namespace: b\n  after: [b/c, b/a]"), ["4:16: meta.after[1]: the batch would wait for itself; remove it"]),
    "slurm misspelt": (COMMAND + "slurm: {partitoin: x}\n", ["8:9: slurm.partitoin: there is no such key; did you mean partition?"]),
    "slurm options": (
        job('slurm: {nodes: "2", cpus_per_task: 0, hint: fast, time: 1h, mem_per_cpu: 3X, mail_type: ALWAYS}'),
        [
            '8:22: command.jobs[0].slurm.nodes: a whole number is wanted, not the text "2"',
            "8:42: command.jobs[0].slurm.cpus_per_task: the number is too small; write 1 or more",
            "8:51: command.jobs[0].slurm.hint: 'fast' is no hint of Slurm; write compute_bound, ",
            "8:63: command.jobs[0].slurm.time: '1h' is no time limit of Slurm; write it as 30 (minutes), ",
            "8:80: command.jobs[0].slurm.mem_per_cpu: '3X' is no amount of memory of Slurm; write it as 10M, 2G",
            "8:95: command.jobs[0].slurm.mail_type: 'ALWAYS' is nothing that Slurm sends mail about; write NONE, BEGIN, ",
        ],
    ),
    "no time for slurm": (job("slurm: {time: 0}"), ["8:21: command.jobs[0].slurm.time: 0 is no time limit of Slurm"]),
    "a second option for slurm": (
        job('slurm: {job_name: "a\\n#SBATCH --uid=0", partition: a --uid=0, account: --uid=0, modules: [-x], output: "a\\u202eb"}'),
        [
            "8:25: command.jobs[0].slurm.job_name: 'a\\n#SBATCH --uid=0' holds a character that can't be printed",
            "8:58: command.jobs[0].slurm.partition: 'a --uid=0' is no single word",
            "8:78: command.jobs[0].slurm.account: '--uid=0' is no single word",
            "8:97: command.jobs[0].slurm.modules[0]: '-x' is no single word",
            "8:110: command.jobs[0].slurm.output: 'a\\u202eb' holds a character",
        ],
    ),
    "memory without end": (job("resources: {memory: 9999999999P}"), ["8:27: command.jobs[0].resources.memory: "]),
    "too much priority": (job("priority: 1001"), ["8:17: command.jobs[0].priority: the number is too large; write 1000 or less"]),
    "a number for a name": (COMMAND.replace("name: j", "name: 100"), ['6:13: command.jobs[0].name: YAML reads 100 as a number, text is wanted; put it in quotes: "100"']),
    "a truth for a name": (COMMAND.replace("name: j", "name: true"), ["6:13: command.jobs[0].name: YAML reads true as a truth value"]),
    "nothing for a name": (COMMAND.replace("name: j", "name: ~"), ["6:13: command.jobs[0].name: text is wanted, not nothing"]),
    "a name of 300 bytes": (COMMAND.replace("name: j", "name: " + "x" * 300), ["6:13: command.jobs[0].name: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'… (300 characters) is no valid name"]),
    "a mount that is relative": (APPTAINER.replace("MOUNT", "solver"), ["7:23: apptainer.initialize.required_mounts[0]: 'solver' is no absolute path"]),
    "a mount that climbs": (APPTAINER.replace("MOUNT", "/a/../input"), ["7:23: apptainer.initialize.required_mounts[0]: '/a/../input' is no absolute path"]),
    "a mount that hides input": (APPTAINER.replace("MOUNT", "//input/./x"), ["7:23: apptainer.initialize.required_mounts[0]: a mount on /input/x would hide"]),
    "a mount that hides the apps": (APPTAINER.replace("MOUNT", "/scif/apps"), ["7:23: apptainer.initialize.required_mounts[0]: a mount on /scif/apps would hide what a container needs"]),
    "a mount that hides devices": (APPTAINER.replace("MOUNT", "/dev"), ["7:23: apptainer.initialize.required_mounts[0]: a mount on /dev would hide"]),
    "a mount in another": (APPTAINER.replace("MOUNT", "/a/b, /c, /a/./"), ["7:33: apptainer.initialize.required_mounts[2]: it and the mount on /a/b lie one in the other"]),
    "a mount twice": (APPTAINER.replace("MOUNT", "/a, /ab, /a"), ["7:32: apptainer.initialize.required_mounts[2]: it and the mount on /a lie one in the other"]),
    "a mount that is too long": (APPTAINER.replace("MOUNT", "/" + 250 * "a"), ["7:23: apptainer.initialize.required_mounts[0]: '/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'… (251 characters) is too long"]),
    "too many mounts": (APPTAINER.replace("MOUNT", ", ".join(f"/a{n}" for n in range(101))), ["7:22: apptainer.initialize.required_mounts: 101 mounts are too many"]),
    "a mount that hides all": (APPTAINER.replace("MOUNT", "/"), ["7:23: apptainer.initialize.required_mounts[0]: a mount on / would hide"]),
}  # fmt: skip

TRAPS = {
    "no": "the truth value false",
    "On": "the truth value true",
    "12:30:45": "a number to base 60",
    "010": "an octal number",
    "0o17": "an octal number",
    "0x1F": "a hexadecimal number",
    "0b101": "a binary number",
    "1_000": "a number",
    "1_0.5": "a number",
    "2024-01-01": "a date",
    "2024-01-01T10:00:00Z": "a date",
    ".inf": "a number that isn't finite",
    ".NaN": "a number that isn't finite",
    "089": "a number",
}


@pytest.mark.parametrize(
    ("text", "expected"), [*STRUCTURE.values(), *VALUES.values()], ids=[*STRUCTURE, *VALUES]
)
def test_a_bad_file_is_told_what_and_where(text: str, expected: list[str]) -> None:
    found = complaints(text)
    assert [line[: len(start)] for line, start in zip(found, expected, strict=False)] == expected
    assert len(found) == len(expected), found


def test_no_number_of_mounts_holds_up_who_reads_them() -> None:
    begin_s = time.process_time()
    (found,) = complaints(APPTAINER.replace("MOUNT", ", ".join(f"/a{n}" for n in range(20_000))))
    assert "20000 mounts are too many" in found
    # To compare each with all others would take a minute.
    assert time.process_time() - begin_s < 15


@pytest.mark.parametrize(("word", "meaning"), TRAPS.items())
def test_a_trap_is_named_as_text_and_as_number(word: str, meaning: str) -> None:
    (found,) = complaints(COMMAND.replace("name: j", f"name: {word}"))
    assert found.startswith(f"6:13: {word}: some YAML readers take it for {meaning}, others for text; ")
    assert f'put it in quotes: "{word}"' in found
    (found,) = complaints(job(f"retries: {word}"))
    assert found.startswith(f"8:16: {word}: some YAML readers")


@pytest.mark.parametrize("word", [*TRAPS, "true", "~", "1e3"])
def test_a_trap_in_quotes_is_text(word: str) -> None:
    loaded = load_text(COMMAND.replace("command: x", f"command: '{word}'"), "f")
    assert loaded.jobfile.command is not None
    assert loaded.jobfile.command.jobs[0].command == word


@pytest.mark.parametrize("word", sorted(TRAPS))
def test_every_trap_is_one_for_a_real_reader(word: str) -> None:
    """Either YAML 1.1 (PyYAML) reads no text, or it is a number with leading zeros, which YAML 1.2 reads."""
    assert not isinstance(yaml.safe_load(word), str) or word in ("0o17", "089")


def test_a_number_with_leading_zeros_is_offered_without() -> None:
    (found,) = complaints(job("retries: 010"))
    assert found.endswith('put it in quotes: "010", or write 10 if you mean that number')


def test_all_mistakes_come_in_one_go_in_the_order_of_lines() -> None:
    text = (
        "meta:\n  batch_name: no\n  namspace: 010\n  matrix: @me:x.org\n"
        "python:\n  initialize:\n    build_file: 12\n"
        "  jobs:\n    - name: a\n    - name: a\n      file: x\n      depends: [b, a]\n"
    )
    found = [re.match(r"\d+:\d+", line)[0] for line in complaints(text)]  # type: ignore[index]
    assert found == ["2:3", "2:15", "3:3", "3:13", "4:11", "7:17", "9:7", "10:13", "12:17", "12:20"]


def test_many_unquoted_users_stop_the_search() -> None:
    found = complaints("a: @b\n" * 1000)
    assert sum("YAML lets no unquoted text start with @" in line for line in found) == 4


def test_a_file_with_endless_mistakes_gives_the_first_ones() -> None:
    with pytest.raises(JobFileError) as caught:
        load_text(COMMAND + "".join(f"      k{i}: 1\n" for i in range(PROBLEMS_MAX + 5)), "f")
    assert len(caught.value.problems) == PROBLEMS_MAX
    assert caught.value.omitted == 5
    assert str(caught.value).splitlines()[-1] == "… and 5 more mistakes"
    assert caught.value.what == "f has 1005 mistakes"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints("a" * (syntax.SIZE_MAX_BYTES + 1))[0].startswith("1:1: size: the text is longer than")
    with pytest.raises(JobFileError, match="1:1: size: the file is larger than"):
        load_bytes(b"a" * (syntax.SIZE_MAX_BYTES + 1), "f")
    monkeypatch.setattr("distribute_compute_config.nodes.NODES_MAX", 10)
    assert complaints(COMMAND)[0].startswith("6:5: size: more than 10 values")


def test_a_chain_of_many_jobs_is_no_cycle_and_its_end_may_close_one() -> None:
    chain = "".join(f"    - {{name: j{i}, command: x, depends: [j{i - 1}]}}\n" for i in range(1, 3000))
    head = COMMAND.replace("name: j", "name: j0")
    assert len(load_text(head + chain, "f").jobfile.jobs) == 3000
    (found,) = complaints(head + "      depends: [j2999]\n" + chain)
    assert re.search(
        r"wait for each other: j0 → j2999 → j2998 → j2997 → … 2994 more … → j2 → j1 → j0;", found
    )


@pytest.mark.parametrize(
    "text", [COMMAND, *(text for text, _ in STRUCTURE.values())], ids=["good", *STRUCTURE]
)
def test_the_parser_without_libyaml_finds_the_same_places(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def places() -> list[tuple[int, int]]:
        try:
            load_text(text, "f")
        except JobFileError as error:
            return [(one.line, one.column) for one in error.problems]
        return []

    fast = places()
    monkeypatch.setattr(syntax, "_LOADER", yaml.SafeLoader)
    assert places() == fast


@pytest.mark.parametrize(
    ("loc", "shown"),
    [((), "job file"), (("python", "jobs", 0, "name"), "python.jobs[0].name"), (("meta",), "meta")],
)
def test_a_place_is_shown_as_a_path(loc: tuple[str | int, ...], shown: str) -> None:
    assert describe_loc(loc) == shown
