"""``spool-layout.md`` against a spool's whole life: what it says happens, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import pytest

from distribute_compute_config.loading import load_bytes
from distribute_compute_config.names import NAME_PATTERN
from spoold import node_records, records
from spoold.bundles import collect, drop_bundle
from spoold.claims import back_off, give_back, lose
from spoold.codec import encode
from spoold.holders import publish_holder
from spoold.layout import FORMAT, SHARED_MODE
from spoold.leases import make_lease, try_acquire
from spoold.losses import Loss, LossCause, note_loss
from spoold.node_records import NodeInfo, NodeStatus
from spoold.notices import outbox
from spoold.notices.records import Box, Notice
from spoold.publication import finish, keep_attempt, publish, stage
from spoold.records import BuildRecord, Outcome, RetryRequest
from spoold.saves import keep_save
from spoold.snapshot import BatchRef
from spoold.spool import Settings, Spool, parse_settings
from spoold.steward import Steward
from spoold.tickets import MOVES, State, Ticket
from tests.spool.lab import Clock, Disk, Lab, job_file

PAGE = Path(__file__).parents[2] / "spool-layout.md"
STATES = {state.value for state in State}
PLACES = {
    "NAMESPACE": NAME_PATTERN,
    "BATCH": NAME_PATTERN,
    "NODE": NAME_PATTERN,
    "JOB": NAME_PATTERN,
    "NAME": NAME_PATTERN,
    "ATTEMPT": "[1-9][0-9]*",
    "NOTICE": f"{NAME_PATTERN}~{NAME_PATTERN}~[0-9a-f]{{32}}",
}
RECORDS = {
    "`batch.json`": records.BatchHeader,
    "`jobs.json`": records.BatchJobs,
    "a job": records.JobSpec,
    "an input": records.Input,
    "resources": records.Resources,
    "`.job.json`": records.JobRecord,
    "an archived file": records.ArchivedFile,
    "`node.json`": node_records.NodeInfo,
    "`running.json`": node_records.NodeStatus,
    "`holder.json`": node_records.HolderRecord,
    "a running job": node_records.RunningJob,
    "a quarantine": node_records.Quarantine,
    "a pause of some jobs": node_records.JobPause,
    "`NODE.ok`, `NODE.failed`": records.BuildRecord,
    "`TICKET.lost`, `TICKET.returned`": records.LossRecord,
    "`NAME.retry`": records.RetryRequest,
    "`manifest.json`": records.BundleManifest,
    "`NOTICE`": Notice,
}


@cache
def table(name: str) -> list[list[str]]:
    """The rows of a table of the page, without its head."""
    text = PAGE.read_text().split(f"<!-- table: {name} -->\n")[1]
    lines = text.split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    assert rows
    return rows


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def pattern_of(text: str) -> re.Pattern[str]:
    """``nodes/NODE/`` as a regular expression for paths."""
    place = re.compile("|".join(PLACES))
    pieces, end = [], 0
    for match in place.finditer(text):
        pieces += [re.escape(text[end : match.start()]), f"(?:{PLACES[match[0]]})"]
        end = match.end()
    pieces.append(re.escape(text[end:]))
    return re.compile("".join(pieces).replace("store/ab", "store/[0-9a-f]{2}").rstrip("/"))


@dataclass
class Place:
    """A documented path; a folder's ``mode`` is None where the page says none: then it is 0755."""

    shown: str
    folder: bool
    mode: int | None = None
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pattern = pattern_of(self.shown)


def places() -> list[Place]:
    return [*_root_places(), *_batch_places(), *_node_places(), *_archive_places()]


def _root_places() -> Iterator[Place]:
    for shown, mode, _ in table("folders"):
        (path,) = quoted(shown)
        yield Place(path, path.endswith("/"), int(mode, 8))
    yield Place("archive/.staging/NAMESPACE/BATCH/JOB~ATTEMPT@NODE/", True)
    yield Place("archive/.resume/NAMESPACE/BATCH/JOB~ATTEMPT/", True)


def _batch_places() -> Iterator[Place]:
    for shown, what in table("batch"):
        (name,) = quoted(shown)
        yield Place(f"batches/NAMESPACE/BATCH/{name}", name.endswith("/"))
        if name.rstrip("/") in STATES | {"builds", "losses"}:
            for entry in quoted(what):
                yield Place(f"batches/NAMESPACE/BATCH/{name}{entry}", False)


def _node_places() -> Iterator[Place]:
    for shown, what in table("node"):
        (name,) = quoted(shown)
        yield Place(f"nodes/NODE/{name}", name.endswith("/"))
        for ending in quoted(what):
            if ending.startswith("."):
                yield Place(f"nodes/NODE/{name.rpartition('.')[0]}{ending}", False)


def _archive_places() -> Iterator[Place]:
    for shown, _ in table("archive"):
        (name,) = quoted(shown)
        mode = SHARED_MODE if name == ".admitted/" else None
        yield Place(f"archive/NAMESPACE/BATCH/{name}", name.endswith("/"), mode)


RESULT = r"archive/(?:\.staging/|\.resume/)?(?P<batch>[^/.][^/]*/[^/]+)/(?P<attempt>[^/.][^/]*)/(?P<file>.+)"
FREE = ("incoming/", "rejected/", "tmp/")


class Witness(Disk):
    """Looks at the whole spool after each operation, and notes every rename of a ticket."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.modes: dict[str, int] = {}
        self.moves: set[tuple[str, str]] = set()
        self.hook = self._see

    def look(self) -> None:
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                path = Path(folder, name)
                self.modes[str(path.relative_to(self.root))] = path.lstat().st_mode

    def _see(self, when: str, number: int, operation: str, paths: tuple[Path, ...]) -> None:
        if when == "after":
            self.look()
            if operation == "rename" and {p.parent.name for p in paths} <= STATES and not paths[0].exists():
                self.moves.add(tuple(f"{p.parent.name}/{p.name}" for p in paths))  # type: ignore[arg-type]


def bundle(lab: Lab) -> None:
    text = job_file("bundled", {"j": "required_files: [in.dat]"})
    (lab.scratch / "in.dat").write_text("input")
    drop_bundle(lab.spool, collect(load_bytes(text.encode(), "job.yaml"), lab.scratch), "bundled")


def node(lab: Lab, name: str) -> None:
    """What a node's daemon keeps in its folder."""
    ops, folder = lab.spool.ops, lab.spool.layout.node(name)
    ops.make_folder(folder.path, SHARED_MODE)
    ops.replace(folder.info, encode(NodeInfo(name, name, 1, 2, 3, (), "/scratch", "0", 1.0)))
    ops.replace(folder.running, encode(NodeStatus(1.0)))
    publish_holder(lab.spool, name, "token")
    log = folder.log("ns", "b", Ticket("a", 1, name), "stdout")
    ops.make_folder(log.parent)
    for path in (log, log.with_suffix(".stderr")):
        ops.append(path, b"output")
    for path in (folder.pause, folder.drain, folder.clear, folder.trouble):
        ops.create(path)


def build_mark(lab: Lab, ref: BatchRef, name: str, ok: bool) -> None:
    output = lab.spool.layout.build_output(ref.namespace, ref.batch, name)
    lab.spool.ops.create(output)
    lab.spool.ops.replace(ref.folder.build_mark(name, ok), encode(BuildRecord(name, ok, 1.0, 1.0)))


def retry(lab: Lab, *tickets: str) -> None:
    request = lab.spool.layout.incoming / ".r"
    request.write_bytes(encode(RetryRequest("ns", "b", tickets)))
    request.rename(request.with_name("r.retry"))


def live(lab: Lab) -> None:
    """A whole life: every documented step at least once."""
    steward = lab.sweep()
    office = make_lease(lab.spool.layout.steward_lease, lab.spool.settings)
    lease = make_lease(lab.spool.layout.node("n1").lease, lab.spool.settings)
    node(lab, "n1")
    assert try_acquire(office)
    assert try_acquire(lease)
    bundle(lab)
    lab.drop("broken.yaml", "{")
    jobs = dict.fromkeys("akmfgpl", "") | {"c": "depends: [a]", "x": "depends: [f]"}
    text = job_file("b", jobs).replace("command:\n", "command:\n  initialize: {build: make}\n", 1)
    lab.drop("b.yaml", text)
    lab.sweep(steward)
    ref = lab.ref("b")
    build_mark(lab, ref, "n2", ok=True)
    lab.complete(ref, "a")
    ref.folder.kill("k").touch()
    lab.sweep(steward)
    _end_badly(lab, ref)
    lab.sweep(steward)
    _lose(lab, ref)
    _give_up(lab, ref, steward)
    retry(lab, "f~1@n1", "c~1@n1", "x~1", "m~1@n1", "k~1", "p~1")
    lab.sweep(steward)
    _end_well(lab, ref, steward)
    lab.complete(lab.ref("bundled"), "j")
    lab.sweep(steward)
    assert lab.ref("b").finished
    _tell(lab)
    lease.release()
    office.release()


def _tell(lab: Lab) -> None:
    first, second = outbox.read_all(lab.spool, Box.WAITING)
    outbox.end(lab.spool, first, Box.SENT)
    outbox.give_up(lab.spool, second, "nobody is there")


def _end_badly(lab: Lab, ref: BatchRef) -> None:
    lab.complete(ref, "f", Outcome.FAILED)
    lab.complete(ref, "c", Outcome.FAILED)
    running = lab.claim(ref, "m")
    ref.folder.kill().touch()
    stage(lab.spool, lab.result(ref, running, Outcome.CANCELLED))
    ref.folder.kill().unlink()
    publish(lab.spool, ref.folder, running)
    finish(lab.spool, ref.folder, "ns", "b", running)
    tried = lab.claim(ref, "g")
    stage(lab.spool, lab.result(ref, tried, Outcome.FAILED))
    keep_attempt(lab.spool, "ns", "b", tried)
    again = give_back(lab.spool, ref.folder, tried)
    assert again is not None
    evicted = lab.claim(ref, "g")
    stage(lab.spool, lab.result(ref, evicted, Outcome.FAILED))
    keep_save(lab.spool, "ns", "b", evicted)
    give_back(lab.spool, ref.folder, evicted)
    tried = lab.claim(ref, "g")
    stage(lab.spool, lab.result(ref, tried, Outcome.FAILED))
    keep_attempt(lab.spool, "ns", "b", tried)
    back_off(lab.spool, ref.folder, tried)


def _give_up(lab: Lab, ref: BatchRef, steward: Steward) -> None:
    build_mark(lab, ref, "n1", ok=False)
    lab.sweep(steward)
    assert "p~1" in lab.tickets(lab.ref("b"))["failed"]


def _lose(lab: Lab, ref: BatchRef) -> None:
    running = lab.claim(ref, "l")
    for cause in LossCause:
        note_loss(lab.spool, ref.folder, Loss(running, cause), "its node died")
    lose(lab.spool, ref.folder, running)


def _end_well(lab: Lab, ref: BatchRef, steward: Steward) -> None:
    for job in ("f", "m", "k", "p"):
        lab.complete(ref, job)
    lab.sweep(steward)
    lab.clock.now_s += 2 * lab.spool.settings.retry_wait_s
    lab.sweep(steward)
    lab.complete(ref, "g")
    for job in ("c", "x"):
        lab.complete(ref, job)
    lab.sweep(steward)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Witness]:
    from spoold.spool import init_spool

    folder = tmp_path_factory.mktemp("life")
    (folder / "scratch").mkdir()
    before = os.umask(0o077)
    try:
        spool = init_spool(folder / "spool", Settings())
    finally:
        os.umask(before)
    witness = Witness(spool.root)
    lab = Lab(Spool(spool.layout, witness, spool.settings), folder / "scratch", Clock())
    lab.reopen = lambda hook=None: lab.spool  # type: ignore[method-assign]
    witness.look()
    live(lab)
    return lab, witness


def as_batch(path: str) -> str:
    """A batch's folder is the same in its three places."""
    path = re.sub(r"^finished(/|$)", r"batches\1", path)
    return re.sub(r"^archive/([^/]+/[^/]+)/\.admitted/", r"batches/\1/", path)


def test_every_path_of_a_life_is_documented_with_its_mode(life: tuple[Lab, Witness]) -> None:
    known = places()
    prefixes = [pattern_of(str(folder)) for place in known for folder in Path(place.shown).parents]
    wrong = []
    for path, mode in life[1].modes.items():
        if path.startswith(FREE) or re.fullmatch(RESULT, path):
            continue
        names = {path, as_batch(path)}
        found = [p for p in known if p.folder == stat.S_ISDIR(mode) and any(map(p.pattern.fullmatch, names))]
        for place in found:
            place.seen.add(path)
        if re.fullmatch("store/../[0-9a-f]{64}", path):
            expected = 0o444
        elif found:
            expected = found[0].mode or (0o755 if found[0].folder else 0o644)
        elif stat.S_ISDIR(mode) and any(p.fullmatch(as_batch(path)) for p in prefixes):
            expected = 0o755
        else:
            wrong.append(f"{path} is not documented")
            continue
        if stat.S_IMODE(mode) != expected:
            wrong.append(f"{path} has mode {stat.S_IMODE(mode):04o}, not {expected:04o}")
    assert wrong == []
    assert [p.shown for p in known if not p.seen] == []


def test_a_result_is_what_the_page_says(life: tuple[Lab, Witness]) -> None:
    found: dict[str, set[str]] = {}
    for path in life[1].modes:
        match = re.fullmatch(RESULT, path)
        if match and not path.startswith(("archive/.staging", "archive/.resume")):
            found.setdefault(f"{match['batch']}/{match['attempt']}", set()).add(match["file"])
    assert {"ns/b/a", "ns/b/g~1", "ns/b/g", "ns/b/f~1", "ns/b/f", "ns/b/m~1"} <= set(found)
    for files in found.values():
        assert files == {"stdout.txt", "stderr.txt", ".job.json", "out.txt"}


def step_of(source: str, target: str) -> str | None:
    """The documented step that renames ``pending/a~1`` to ``claimed/a~1@n``."""
    for step, rename, _ in table("moves"):
        before, after = quoted(rename)
        if _fits(before, source, 0) and _fits(after, target, 0 if "+1" not in after else 1):
            first = Ticket.parse(source.partition("/")[2])
            second = Ticket.parse(target.partition("/")[2])
            if second.attempt == first.attempt + after.count("+1") and first.job == second.job:
                return step
    return None


def _fits(written: str, path: str, more: int) -> bool:
    state, _, shape = written.partition("/")
    ticket = Ticket.parse(path.partition("/")[2])
    holder = {"": [False], "@N": [True], "[@N]": [False, True]}[shape.removeprefix("J~n").removeprefix("+1")]
    return path.startswith(f"{state}/") and (ticket.node is not None) in holder


def test_every_move_of_a_ticket_is_documented_and_every_documented_one_occurs(
    life: tuple[Lab, Witness],
) -> None:
    steps = {move: step_of(*move) for move in life[1].moves}
    assert [move for move, step in steps.items() if step is None] == []
    assert set(steps.values()) == {row[0] for row in table("moves")}


def test_the_table_of_moves_is_the_programs() -> None:
    documented = {}
    for step, rename, _ in table("moves"):
        before, after = quoted(rename)
        states = State(before.partition("/")[0]), State(after.partition("/")[0])
        documented[step] = (*states, after.endswith("+1"))
    assert documented == {name: (m.source, m.target, m.next_attempt) for name, m in MOVES.items()}


def test_the_states_are_the_programs() -> None:
    names = [quoted(row[0])[0].rstrip("/") for row in table("batch")]
    assert [n for n in names if n in STATES] == [state.value for state in State]


def test_the_settings_and_their_defaults(life: tuple[Lab, Witness]) -> None:
    documented = {quoted(key)[0]: float(default) for key, default, _ in table("settings")}
    assert documented == {f.name: float(getattr(Settings(), f.name)) for f in fields(Settings)}
    written = life[0].spool.layout.settings.read_bytes()
    assert parse_settings(written, PAGE) == Settings()
    assert documented["format"] == FORMAT
    assert re.findall(r"^(\w+):", written.decode(), re.M) == list(documented)


@pytest.mark.parametrize("row", table("records"), ids=lambda row: row[0])
def test_the_fields_of_records(row: list[str]) -> None:
    assert quoted(row[1]) == [f.name for f in fields(RECORDS[row[0]])]


def test_every_record_is_documented_and_written_so(life: tuple[Lab, Witness]) -> None:
    assert [row[0] for row in table("records")] == list(RECORDS)
    documented = {name: quoted(row[1]) for row in table("records") for name in quoted(row[0])}
    seen = set()
    for path in life[0].spool.root.rglob("*"):
        marked = {"builds": "NODE", "losses": "TICKET"}.get(path.parent.name)
        name = f"{marked}{path.suffix}" if marked else path.name
        if path.parent.parent.name == "outbox":
            name = "NOTICE"
        if name in documented:
            seen.add(name)
            assert list(json.loads(path.read_bytes())) == documented[name], path
    assert seen == set(documented) - {"manifest.json", "NAME.retry", "NODE.failed"}
