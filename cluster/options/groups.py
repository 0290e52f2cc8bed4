"""Every keyword argument of a job: its type, and what it is to Slurm and to Torque.

``{}`` in a form is where the value goes. Torque's forms that begin with ``:`` belong to the request for
nodes: ``-l nodes=2:ppn=4:gpus=1``. What has neither form is no matter of a scheduler: this package does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cluster.kinds import Kind


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword argument; ``sjoin`` and ``tjoin`` stand between the items of a list, for Slurm and Torque."""

    name: str
    kind: Kind
    help: str
    default: object = None
    slurm: str | None = None
    torque: str | None = None
    sjoin: str = ","
    tjoin: str = ","


Options = Mapping[str, Option]


def _group(*options: Option) -> Options:
    return MappingProxyType({option.name: option for option in options})


def _together(groups: Iterable[Options]) -> Options:
    return MappingProxyType({name: option for group in groups for name, option in group.items()})


#: Used in every mode.
COMMON = _group(
    Option(
        "depends",
        Kind.JOBS,
        "Jobs that must have ended well before",
        slurm="--dependency=afterok:{} --kill-on-invalid-dep=yes",
        torque="-W depend=afterok:{}",
        sjoin=":",
        tjoin=":",
    ),
    Option("cores", Kind.COUNT, "Cores, on each node", 1, "--cpus-per-task={}", ":ppn={}"),
    Option("modules", Kind.WORDS, "Modules that the script loads with `module load`"),
    Option("imports", Kind.TEXTS, "Imports that a function needs, such as 'from os import path'"),
    Option("syspaths", Kind.TEXTS, "Folders to add to sys.path for a function"),
    Option("scriptpath", Kind.TEXT, "Folder for the job's script files, which nodes must see", "."),
    Option("outpath", Kind.TEXT, "Folder for the job's output files, which nodes must see", "."),
    Option("runpath", Kind.TEXT, "Folder in which the job runs", "."),
    Option("suffix", Kind.WORD, "What the names of job files end in: NAME.ID.SUFFIX", "cluster"),
    Option("outfile", Kind.TEXT, "File for standard output", None, "--output={}", "-o {}"),
    Option("errfile", Kind.TEXT, "File for standard error", None, "--error={}", "-e {}"),
    Option("clean_files", Kind.SWITCH, "Remove script files once the result is fetched"),
    Option("clean_outputs", Kind.SWITCH, "Remove output files once the result is fetched"),
)

#: Used only by this machine's own queue and a lab's spool.
NORMAL = _group(
    Option("retries", Kind.AMOUNT, "How often a job that failed is tried again"),
    Option("priority", Kind.NUMBER, "Jobs of a higher one go first"),
    Option("capabilities", Kind.WORDS, "What a workstation must have, as in a job file"),
)

#: For schedulers; to Torque they are parts of one request.
CLUSTER_CORE = _group(
    Option("nodes", Kind.COUNT, "Nodes", 1, "--nodes={}", "-l nodes={}"),
    Option("features", Kind.WORDS, "What nodes must have", None, "--constraint={}", ":{}", "&", ":"),
    Option("gpus", Kind.AMOUNT, "Graphics cards, on each node", None, "--gres=gpu:{}", ":gpus={}"),
)

#: For schedulers, each an option of its own.
CLUSTER_OPTS = _group(
    Option("time", Kind.TIME, "The longest that it may run", None, "--time={}", "-l walltime={}"),
    Option(
        "mem",
        Kind.MEMORY,
        "Memory; to Slurm of each node, to Torque of the job",
        None,
        "--mem={}M",
        "-l mem={}mb",
    ),
    Option("partition", Kind.WORD, "The partition, or queue", None, "--partition={}", "-q {}"),
    Option("account", Kind.WORD, "Account to be charged", None, "--account={}", "-A {}"),
    Option("qos", Kind.WORD, "Quality of service", None, "--qos={}", "-l qos={}"),
    Option("export", Kind.WORDS, "Environment variables to export", None, "--export={}", "-v {}"),
    Option("mail_user", Kind.WORDS, "Who gets mail", None, "--mail-user={}", "-M {}"),
    Option("mail_type", Kind.WORDS, "When: begin, end, fail", None, "--mail-type={}", "-m {}", tjoin=""),
)

#: Torque only.
TORQUE = _group(
    Option("pmem", Kind.MEMORY, "Memory of each process", torque="-l pmem={}mb"),
    Option("vmem", Kind.MEMORY, "Virtual memory of the job", torque="-l vmem={}mb"),
    Option("join", Kind.SWITCH, "Standard error into the file of standard output", torque="-j oe"),
)

#: Slurm only.
SLURM = _group(
    Option("begin", Kind.WORD, "Not before: now+1hour, 16:00, 2027-01-31", slurm="--begin={}"),
    Option("ntasks", Kind.COUNT, "Tasks that the script starts with srun", slurm="--ntasks={}"),
    Option("mem_per_cpu", Kind.MEMORY, "Memory of each core", slurm="--mem-per-cpu={}M"),
    Option("exclusive", Kind.SWITCH, "Whole nodes", slurm="--exclusive"),
    Option("nodelist", Kind.WORDS, "These nodes", slurm="--nodelist={}"),
    Option("exclude", Kind.WORDS, "Not these nodes", slurm="--exclude={}"),
    Option("gres", Kind.WORDS, "Generic resources: gpu:a100:2", slurm="--gres={}"),
    Option("reservation", Kind.WORD, "A reservation to use", slurm="--reservation={}"),
    Option("licenses", Kind.WORDS, "Licences: matlab:1", slurm="--licenses={}"),
    Option("hint", Kind.WORD, "compute_bound, memory_bound, nomultithread", slurm="--hint={}"),
    Option("nice", Kind.NUMBER, "Give way to others by so much", slurm="--nice={}"),
    Option("comment", Kind.TEXT, "A comment", slurm="--comment={}"),
)

#: All that schedulers are told, and what each of them is.
CLUSTER_KWDS = _together([CLUSTER_CORE, CLUSTER_OPTS, TORQUE, SLURM])
SLURM_KWDS = _together([COMMON, CLUSTER_CORE, CLUSTER_OPTS, SLURM])
TORQUE_KWDS = _together([COMMON, CLUSTER_CORE, CLUSTER_OPTS, TORQUE])
#: What this machine's own queue and a lab's spool act on.
NORMAL_KWDS = _together(
    [COMMON, NORMAL, _group(*(CLUSTER_KWDS[name] for name in ("time", "mem", "gpus", "features")))]
)
#: Every keyword argument that there is.
ALLOWED_KWDS = _together([COMMON, NORMAL, CLUSTER_KWDS])

#: Groups with what they are for, in the order of the help.
GROUPS: tuple[tuple[str, Options], ...] = (
    ("Used in every mode", COMMON),
    ("Used only by this machine's own queue and a lab's spool", NORMAL),
    ("Parts of the request for nodes", CLUSTER_CORE),
    ("Used by both Slurm and Torque", CLUSTER_OPTS),
    ("Used by Torque only", TORQUE),
    ("Used by Slurm only", SLURM),
)

_OTHER_WORDS = {
    "depends": "depend dependency dependencies",
    "cores": "cpus threads",
    "modules": "module",
    "syspaths": "syspath paths",
    "scriptpath": "filedir filepath scriptdir",
    "outpath": "outdir",
    "runpath": "dir path",
    "outfile": "stdout",
    "errfile": "stderr",
    "clean_files": "cleanfiles delfiles delete_files",
    "clean_outputs": "cleanouts cleanoutputs delouts deloutputs delete_outputs",
    "features": "feature constraint",
    "gpus": "gpu",
    "time": "walltime",
    "mem": "memory",
    "partition": "queue",
}
#: Another word for an option, and the option's name.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {word: name for name, words in _OTHER_WORDS.items() for word in words.split()}
)
