"""The shell scripts of an export. Pure; whatever a user wrote is quoted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from shlex import quote

from distribute_cli.slurm.options import Request, render_options
from distribute_cli.slurm.plan import Cluster, Submission

SUBMITTED = "submitted.tsv"


def job_script(request: Request, *arguments: str) -> str:
    """A script for sbatch that runs the export's runner."""
    modules = "".join(f"module load {quote(one)} || exit 1\n" for one in request.modules)
    # A login shell knows `module`.
    shell = "#!/bin/bash -l" if modules else "#!/bin/bash"
    return _JOB.format(
        shell=shell,
        options=render_options(request.options),
        modules=modules,
        arguments=" ".join(map(quote, arguments)),
    )


def schedule_script(key: str, submissions: Sequence[Submission]) -> str:
    """Submits what isn't submitted yet, in an order in which what others depend on comes first."""
    names = "\n".join(f"    {quote(one.name)}" for one in submissions)
    calls = "\n".join(
        " ".join(map(quote, ("submit", one.name, one.folder, one.script, *one.after))) for one in submissions
    )
    return _SCHEDULE.format(key=key, names=names, calls=calls, submitted=SUBMITTED)


def upload_script(key: str, cluster: Cluster) -> str:
    """Brings the export to the cluster; what wasn't given when it was made is an argument then."""
    return _UPLOAD.format(
        key=key, login=quote(_login(cluster)), destination=quote(_destination(cluster)), submitted=SUBMITTED
    )


def pull_command(key: str, cluster: Cluster) -> str:
    """What fetches the results, as far as it is known where they will be."""
    folder = f"{_login(cluster) or 'USER@HOST'}:{_destination(cluster) or 'DIR'}"
    return f"distribute pull --from {quote(folder)} {key}"


def readme(key: str, submissions: Sequence[Submission], notes: Iterable[str], cluster: Cluster) -> str:
    """What to type."""
    listed = "".join(f"- {note}\n" for note in notes)
    told = f"\nWhat Slurm does otherwise than a lab:\n\n{listed}" if listed else ""
    pull = pull_command(key, cluster)
    return _README.format(key=key, count=len(submissions), notes=told, pull=pull)


def _login(cluster: Cluster) -> str:
    user = f"{cluster.username}@" if cluster.username else ""
    return f"{user}{cluster.address}" if cluster.address else ""


def _destination(cluster: Cluster) -> str:
    return (cluster.destination or "").removeprefix("~/")


_JOB = """\
{shell}
{options}
# Submitted from the export or from this job's own folder.
export=$SLURM_SUBMIT_DIR
[ -e "$export/export.json" ] || export=$SLURM_SUBMIT_DIR/../..
cd -- "$export" || exit 1
{modules}if ! command -v python3 >/dev/null; then
    echo "error: there is no python3 on $(uname -n)" >&2
    echo "  load one by modules in the job file's slurm section, or ask for other machines by constraint" >&2
    exit 127
fi
exec python3 -B -m runner {arguments}
"""

_SCHEDULE = """\
#!/bin/bash
# Submits {key} to Slurm. Whatever is in {submitted} already isn't submitted again.
set -euo pipefail
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")"

# Two who submit at once would submit all of it twice.
exec 9<schedule_jobs.sh
taken=0
flock --nonblock --conflict-exit-code 75 9 2>/dev/null || taken=$?
if [ "$taken" = 75 ]; then
    echo "error: {key} is being submitted by somebody else just now" >&2
    exit 1
fi

names=(
{names}
)
declare -A ids=()
if [ -e {submitted} ]; then
    while IFS=$'\\t' read -r name id; do ids[$name]=$id; done <{submitted}
    if [ "${{#ids[@]}}" -ge "${{#names[@]}}" ]; then
        echo "error: {key} was submitted before: see $PWD/{submitted}" >&2
        echo "  to submit it again, remove that file; jobs that are done are not run again" >&2
        exit 1
    fi
    echo "${{#ids[@]}} of ${{#names[@]}} were submitted before, and are left alone" >&2
fi

# NAME FOLDER SCRIPT [NAME OF WHAT MUST HAVE SUCCEEDED]...
submit() {{
    local name=$1 folder=$2 script=$3 after='' other id
    shift 3
    [ -z "${{ids[$name]-}}" ] || return 0
    for other; do after+=:${{ids[$other]}}; done
    local options=(--parsable "--chdir=$PWD/$folder")
    [ -z "$after" ] || options+=("--dependency=afterok$after" --kill-on-invalid-dep=yes)
    id=$(sbatch "${{options[@]}}" "$script") || give_up "$name"
    id=${{id%%;*}}
    ids[$name]=$id
    printf '%s\\t%s\\n' "$name" "$id" >>{submitted}
    echo "submitted $name as job $id"
}}

give_up() {{
    local name
    echo "error: sbatch would not take $1" >&2
    for name in "${{names[@]}}"; do
        if [ -n "${{ids[$name]-}}" ]; then echo "  submitted: $name, job ${{ids[$name]}}" >&2; fi
    done
    for name in "${{names[@]}}"; do
        if [ -z "${{ids[$name]-}}" ]; then echo "  not submitted: $name" >&2; fi
    done
    echo "  to submit the rest, mend what sbatch says and type this again" >&2
    exit 1
}}

{calls}
"""

_UPLOAD = """\
#!/bin/bash
# Brings {key} to a cluster: ./rsync_upload.sh [USER@ADDRESS] [DESTINATION]
set -euo pipefail
cd -- "$(dirname -- "${{BASH_SOURCE[0]}}")"

login={login}
destination={destination}
login=${{1:-$login}}
destination=${{2:-$destination}}
if [ -z "$login" ] || [ -z "$destination" ] || [ "${{login:0:1}}" = - ]; then
    echo "usage: $0 USER@ADDRESS DESTINATION" >&2
    exit 2
fi
# For the shell at the other end.
quoted="'${{destination//\\'/\\'\\\\\\'\\'}}'"
ssh -- "$login" "mkdir -p -- $quoted"
rsync --archive --hard-links --secluded-args --partial --exclude=/work --exclude=/{submitted} \\
    --info=progress2 --rsh=ssh -- ./ "$login:$destination/"
printf 'uploaded; now type: ssh %s, then there: %q\\n' "$login" "$destination/schedule_jobs.sh"
"""

_README = """\
# {key} for Slurm

    ./rsync_upload.sh       brings this folder to the cluster
    ./schedule_jobs.sh      on the cluster: submits {count} times to Slurm
    {pull}      fetches the results

Results appear in `archive/`, one folder a job, whole or not at all. What Slurm and the runner say of a job is
in `jobs/JOB/slurm-ID.out`, what the job itself prints in its `stdout.txt` and `stderr.txt`; while it runs, in
`work/JOB~out/`. Nothing is needed on the cluster but `sbatch`, `bash` and a `python3` from 3.6 on.
{notes}"""
