"""The image of a batch, once it is in the store: whether it can be run, and on what machines."""

from __future__ import annotations

from collections.abc import Mapping

from distribute_compute_config.loading import LoadedJobFile
from distribute_compute_config.problems import JobFileError, Problem, describe_loc
from distribute_compute_config.sif import BadImage, read_image, require_app
from spoold.records import Input
from spoold.spool import Spool


def inspect_image(spool: Spool, loaded: LoadedJobFile, contents: Mapping[str, Input]) -> str | None:
    """The architecture of the batch's image, as in ``uname -m``; None without an image, or if any will do.

    Raises JobFileError if the image can't be run.
    """
    for one in loaded.inputs():
        if one.loc[-1] != "sif":
            continue
        try:
            with open(spool.layout.store_object(contents[one.path].sha256), "rb") as opened:
                image = read_image(opened)
            require_app(image)
        except BadImage as error:
            what = f"{describe_loc(one.loc)}: {one.path}"
            raise JobFileError([Problem(loaded.source, *one.mark, what, error.why, error.instead)]) from error
        return image.architecture
    return None
