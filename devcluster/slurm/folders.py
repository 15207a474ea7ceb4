"""Files and folders of the Slurm cluster. Unlike those of Kubernetes, the jobs' user reads them."""

from devcluster.paths import STATE

SLURM = STATE / "slurm"
CONFIGURATION = SLURM / "slurm.conf"
JOBS = SLURM / "jobs"
"""`DataRootFolder` of the plugin: each job has a folder in it."""

TEMPORARY = SLURM / "tmp"
"""`TMPDIR` of the jobs: /tmp may be closed to their user, and `make down` leaves nothing in it."""

TASK_PROLOG = SLURM / "task-prolog"
"""Slurm runs it before each job, and sets the variables that it prints."""

EDGE = SLURM / "edge"
"""Configuration of interLink's API and plugin."""

EDGE_FILES = ("InterLinkConfig.yaml", "SlurmConfig.yaml")
"""Those that they read when they start."""

IMAGES = SLURM / "images"
"""Unpacked images by reference, as /cvmfs/unpacked.cern.ch has them."""

COMMANDS = SLURM / "bin"
"""Slurm's commands and apptainer, as the edge and the jobs call them."""

APPTAINER = COMMANDS / "apptainer"

JOBS_UID = 65534
"""User of the jobs: `nobody`, whom every Debian machine has."""
