"""`distribute slurm OUTPUT_DIR [JOBFILE]`."""

from __future__ import annotations

import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from distribute_cli.context import known_jobs_max
from distribute_cli.output import clean, json_option, make_progress, print_json, say, tell
from distribute_cli.words import count

if TYPE_CHECKING:
    from distribute_cli.slurm.plan import Cluster, Export
    from distribute_cli.slurm.submitting import Submitted

JOB_FILE = "distribute-jobs.yaml"


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `slurm --json` prints. ``submitted`` is empty without `--submit`."""

    namespace: str
    batch: str
    folder: Path
    jobs: int
    submissions: tuple[str, ...]
    notes: tuple[str, ...]
    submitted: tuple[Submitted, ...] = ()


def _check_word(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A name that ssh can't take for an option, on one line."""
    if value is None:
        return None
    if (
        not value
        or value.startswith("-")
        or any(c.isspace() or not c.isprintable() for c in value)
        or "@" in value
    ):
        raise click.BadParameter(f"{value!r} is no name", ctx, param)
    return value


def _check_line(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (not value or any(unicodedata.category(c) == "Cc" for c in value)):
        raise click.BadParameter(f"{value!r} is no path", ctx, param)
    return value


@click.command()
@click.argument("output_dir", type=click.Path(path_type=Path))
@click.argument("jobfile", default=JOB_FILE, type=click.Path(path_type=Path))
@click.option("--cluster-username", metavar="USER", callback=_check_word, help="Who you are on the cluster.")
@click.option("--cluster-address", metavar="HOST", callback=_check_word, help="Its login machine.")
@click.option(
    "--cluster-upload-destination",
    metavar="DIR",
    callback=_check_line,
    help="The folder to upload to, there.",
)
@click.option("--array", "as_array", is_flag=True, help="One job array for all jobs that ask for the same.")
@click.option("--submit", is_flag=True, help="Submit at once, with the sbatch of this machine.")
@click.option("--replace", is_flag=True, help="Remove an earlier export that is in OUTPUT_DIR.")
@json_option
def command(
    output_dir: Path,
    jobfile: Path,
    cluster_username: str | None,
    cluster_address: str | None,
    cluster_upload_destination: str | None,
    as_array: bool,
    submit: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Make OUTPUT_DIR of JOBFILE: a folder with all that Slurm needs to run the batch.

    It holds the scripts, the inputs and a runner that does what a node of a spool does, so that results are
    the same. JOBFILE needs a `slurm:` section.
    """
    from distribute_cli.slurm.plan import Cluster
    from distribute_cli.slurm.submitting import require_sbatch

    cluster = Cluster(cluster_username, cluster_address, cluster_upload_destination)
    sbatch = require_sbatch() if submit else None
    target = output_dir.absolute()
    export = _export(jobfile, target, cluster, as_array, replace)
    report = ExportReport(
        export.namespace,
        export.batch,
        target,
        export.jobs_total,
        tuple(one.name for one in export.submissions),
        export.notes,
        _submit(sbatch, target, export) if sbatch else (),
    )
    print_json(report) if as_json else _print(report, output_dir, cluster)


def _export(jobfile: Path, target: Path, cluster: Cluster, as_array: bool, replace: bool) -> Export:
    from distribute_cli.images import look_at_image
    from distribute_cli.slurm.gathering import gather, look_around
    from distribute_cli.slurm.planning import plan_export, require_sections
    from distribute_cli.slurm.writing import require_free, write_export
    from distribute_compute_config import load_with_inputs

    loaded = load_with_inputs(jobfile, known_jobs_max())
    require_sections(loaded.jobfile)
    base = jobfile.absolute().parent
    require_free(target, replace, [jobfile, *(base / one.path for one in loaded.inputs())])
    image = look_at_image(loaded, base)
    if image.doubt:
        tell(f"warning: {image.doubt}")
    sizes = {one.path: (base / one.path).stat().st_size for one in loaded.inputs()}
    with make_progress() as progress:
        reading = progress.add_task("reading inputs", total=sum(sizes.values()))
        material = gather(loaded, base, image.architecture, lambda size: progress.advance(reading, size))
        export = plan_export(loaded, material, look_around(), cluster, as_array)
        writing = progress.add_task("writing the folder", total=export.size_bytes)
        write_export(export, base, target, replace, lambda size: progress.advance(writing, size))
    return export


def _submit(sbatch: str, target: Path, export: Export) -> tuple[Submitted, ...]:
    from distribute_cli.slurm.submitting import submit_all

    with make_progress(unit_is_bytes=False) as progress:
        task = progress.add_task("submitting", total=len(export.submissions))
        return submit_all(sbatch, target, export.submissions, lambda: progress.advance(task, 1))


def _print(report: ExportReport, folder: Path, cluster: Cluster) -> None:
    from distribute_cli.slurm.scripts import pull_command

    for note in report.notes:
        tell(clean(f"note: {note}"))
    what = f"{report.namespace}/{report.batch}: {count(report.jobs, 'job')}"
    say(clean(f"{what} in {folder}, {count(len(report.submissions), 'submission')} to Slurm"))
    if report.submitted:
        for one in report.submitted:
            say(clean(f"submitted {one.name} as job {one.id}"))
        say(f"see them: squeue --me; results appear in {folder}/archive")
    else:
        say(clean(f"bring it to the cluster: {shlex.quote(f'{folder}/rsync_upload.sh')}"))
        say("submit it there: ./schedule_jobs.sh")
        say(clean(f"fetch the results: {pull_command(f'{report.namespace}/{report.batch}', cluster)}"))
