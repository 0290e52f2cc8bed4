"""Looking again and again until something is so; told in ``spoold.polling``."""

from __future__ import annotations

from spoold.polling import FOR_EVER_S as FOR_EVER_S
from spoold.polling import LOOK_EVERY_S as LOOK_EVERY_S
from spoold.polling import poll as poll
