"""Who may cancel or retry a batch: its submitter, the service user and root. Others are told early."""

from __future__ import annotations

import os

from distribute_cli.words import join
from distribute_compute_config.errors import DistributeError
from spoold.access import identity_of
from spoold.records import BatchHeader
from spoold.spool import Spool


class NotYours(DistributeError):
    """The batch belongs to somebody else."""


def require_submitter(spool: Spool, header: BatchHeader, deed: str) -> None:
    """Raises NotYours if the steward would ignore this user; ``deed`` is ``cancel`` or ``retry``."""
    uid = os.geteuid()
    service_uid = spool.root.stat().st_uid
    if uid in {header.submitter_uid, service_uid, 0}:
        return
    who = dict.fromkeys([header.submitter, identity_of(service_uid).name, "root"])
    raise NotYours(
        f"{header.key} belongs to {header.submitter}",
        f"only {join(list(who))} may {deed} it, and you are {identity_of(uid).name}",
        f"ask {header.submitter}",
    )
