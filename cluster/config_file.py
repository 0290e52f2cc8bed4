"""The config file: options for all jobs (``cluster.settings``), and profiles (``cluster.profiles``)."""

from cluster.ini import config_path as config_path
from cluster.profiles import DEFAULT_NAME as DEFAULT_NAME
from cluster.profiles import Profile as Profile
from cluster.profiles import del_profile as del_profile
from cluster.profiles import get_profile as get_profile
from cluster.profiles import set_profile as set_profile
from cluster.settings import create_config as create_config
from cluster.settings import delete as delete
from cluster.settings import get_config as get_config
from cluster.settings import get_option as get_option
from cluster.settings import set_option as set_option
