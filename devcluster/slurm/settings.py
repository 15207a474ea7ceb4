"""Configuration files of interLink's API and Slurm plugin, as the stand-in reads them.

Keys are those of the real programs; one that the stand-in does not act on may be there, any other is refused.
"""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the settings in a file.

        Raises:
            ValueError: a key is unknown or a value unfit.
        """
        return cls.model_validate(yaml.safe_load(path.read_text()))


class Tls(_Settings):
    """Certificate of the API and authority of its clients."""

    enabled: bool = False
    cert_file: Path = Path()
    key_file: Path = Path()
    ca_cert_file: Path = Field(default=Path(), alias="CACertFile")


class ApiSettings(_Settings):
    """InterLinkConfig.yaml."""

    interlink_address: str
    interlink_port: str
    tls: Tls = Field(default=Tls(), alias="TLS")
    sidecar_url: Any = Field(default=None, alias="SidecarURL")
    sidecar_port: Any = None
    job_script_build_config: Any = None
    job_script_template: Any = None
    verbose_logging: Any = None
    errors_only_logging: Any = None
    data_root_folder: Any = None
    export_pod_data: Any = None
    pprof: Any = None


class SlurmSettings(_Settings):
    """SlurmConfig.yaml."""

    sbatch_path: str
    scancel_path: str
    squeue_path: str
    sinfo_path: str
    data_root_folder: str
    bash_path: str
    singularity_path: str
    container_runtime: Literal["singularity"]
    singularity_default_options: tuple[str, ...] = ("--nv", "--no-eval", "--containall")
    enable_probes: bool = False
    image_prefix: str = ""
    command_prefix: str = ""
    default_uid: int | None = Field(default=None, alias="DefaultUID")
    resource_script_path: str = ""
    socket: Any = None
    sidecar_port: Any = None
    vk_config_path: Any = Field(default=None, alias="VKConfigPath")
    export_pod_data: Any = None
    namespace: Any = None
    tsocks: Literal[False] = False
    tsocks_path: Any = None
    tsocks_login_node: Any = None
    verbose_logging: Any = None
    errors_only_logging: Any = None
    singularity_prefix: Any = None


class Faults(BaseModel):
    """Faults to inject; the file is read again for each call.

    Args:
        ping_fails: every ping gets 503, as while the plugin is down (N3).
        status_cache_seconds: time for which one real answer serves all pods (N2); 0 gives each pod its own.
        create_fails: the text that `sbatch` would have written to standard error.
        delete_fails: `/delete` gets 500 and the job runs on (N3, N13).
        state: job state that `squeue` would have printed for every job, such as `CF` (trap 8).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ping_fails: bool = False
    status_cache_seconds: float = 10.0
    create_fails: str = ""
    delete_fails: bool = False
    state: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the faults in a file; none if it does not exist."""
        return cls.model_validate(yaml.safe_load(path.read_text()) or {}) if path.exists() else cls()
