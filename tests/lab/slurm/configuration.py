"""``slurm.conf`` of a cluster on one machine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """What a cluster is made of: ``ports`` are the controller's and one for each of ``nodes``."""

    folder: Path
    host: str
    user: str
    ports: tuple[int, ...]
    nodes: tuple[str, ...]
    cpus: int
    memory_mib: int

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.folder / "munge.socket"


def render_conf(layout: Layout) -> str:
    """Neither systemd nor cgroups nor a database; it schedules at once, and forgets no job of a test.

    ``config_overrides`` lets nodes have more CPUs than the machine: with few, a slot turns over once in 0.8 s.
    """
    folder, (controller, *ports) = layout.folder, layout.ports
    nodes = [
        f"NodeName={name} NodeHostname={layout.host} NodeAddr=127.0.0.1 Port={port}"
        f" CPUs={layout.cpus} RealMemory={layout.memory_mib} State=UNKNOWN"
        for name, port in zip(layout.nodes, ports, strict=True)
    ]
    return "\n".join(
        [_COMMON.format(layout=layout, folder=folder, controller=controller), *nodes, _QUEUE, ""]
    )


_COMMON = """\
ClusterName=lab
SlurmctldHost={layout.host}(127.0.0.1)
SlurmUser={layout.user}
SlurmdUser={layout.user}
AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
CredType=cred/munge
SlurmctldPort={controller}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
PriorityType=priority/basic
MinJobAge=600
MaxJobCount=20000
MaxArraySize=10001
KillWait=2
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.log
AccountingStorageType=accounting_storage/none"""
_QUEUE = "PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO"
