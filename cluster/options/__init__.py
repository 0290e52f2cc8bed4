"""Keyword arguments of jobs: what there is, checking them, and saying them to a scheduler."""

from cluster.options.checking import check_arguments as check_arguments
from cluster.options.checking import find_option as find_option
from cluster.options.directives import option_to_string as option_to_string
from cluster.options.directives import options_to_string as options_to_string
from cluster.options.groups import ALLOWED_KWDS as ALLOWED_KWDS
from cluster.options.groups import CLUSTER_CORE as CLUSTER_CORE
from cluster.options.groups import CLUSTER_KWDS as CLUSTER_KWDS
from cluster.options.groups import CLUSTER_OPTS as CLUSTER_OPTS
from cluster.options.groups import COMMON as COMMON
from cluster.options.groups import NORMAL as NORMAL
from cluster.options.groups import NORMAL_KWDS as NORMAL_KWDS
from cluster.options.groups import SLURM as SLURM
from cluster.options.groups import SLURM_KWDS as SLURM_KWDS
from cluster.options.groups import SYNONYMS as SYNONYMS
from cluster.options.groups import TORQUE as TORQUE
from cluster.options.groups import TORQUE_KWDS as TORQUE_KWDS
from cluster.options.groups import Option as Option
from cluster.options.helping import Keyword as Keyword
from cluster.options.helping import list_keywords as list_keywords
from cluster.options.helping import option_help as option_help
from cluster.options.spool import SpoolRequest as SpoolRequest
from cluster.options.spool import to_spool as to_spool
