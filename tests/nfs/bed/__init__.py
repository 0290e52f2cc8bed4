"""A file server and its clients on this one machine, with real kernels: what NFS does can be seen and provoked.

Each host of a ``Bed`` is a User-mode-Linux guest, an ordinary process, in a network of its own. The guests see
this machine's files (so they run its Python and this project) and mount ``/srv/export`` of the guest ``server``
at ``/mnt/spool``. Nothing is installed on this machine: Debian's packages are unpacked into a folder.
"""

from tests.nfs.bed.bed import MOUNTED, SERVED, Bed, BedSettings, lone_guest
from tests.nfs.bed.guest import BedError, Client, Guest, Output
from tests.nfs.bed.packages import why_impossible

__all__ = [
    "MOUNTED",
    "SERVED",
    "Bed",
    "BedError",
    "BedSettings",
    "Client",
    "Guest",
    "Output",
    "lone_guest",
    "why_impossible",
]
