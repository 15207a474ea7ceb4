"""interLink's API on a host of the HPC site, and how the virtual kubelet proves there who it is."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.schema.base import DnsLabel, Model, SecretName, Text
from stacks.schema.url import HttpsUrl, Issuer, TokenUrl


class HttpsApi(Model):
    """interLink's API and Slurm plugin on a host of the HPC site. `python -m stacks edge` writes their files."""

    kind: Literal["https"]
    """On a host of the HPC site. Both sides prove who they are by certificates."""
    url: HttpsUrl
    """URL of the API with its port, such as https://interlink.example.org:8443."""
    certificate_secret: DnsLabel
    """Secret of the virtual kubelet's namespace with the certificate that the API takes from it: `tls.crt`, `tls.key`,
    and `ca.crt`, the authorities by which the virtual kubelet knows the API."""


class OAuth2Api(Model):
    """interLink's API and Slurm plugin on a host of the HPC site, behind oauth2-proxy, whose files `python -m stacks
    edge` writes too. The virtual kubelet has an access token of an OAuth2 issuer, by the grant `client_credentials`."""

    kind: Literal["oauth2"]
    """On a host of the HPC site, behind a proxy that takes tokens."""
    url: HttpsUrl
    """URL of the proxy with its port, such as https://interlink.example.org:8443."""
    authorities_secret: DnsLabel
    """Secret of the virtual kubelet's namespace with `ca.crt`, the authorities by which it knows the proxy."""
    issuer_url: Issuer
    """Issuer of the tokens, claim `iss`, by whose keys the proxy checks them."""
    token_url: TokenUrl
    """Token end point of the issuer."""
    client_id: Text
    """Client at the issuer. It has the grant `client_credentials`."""
    client_secret: Annotated[SecretName, Field(examples=["interlink-client-secret"])]
    """Name of the Pulumi secret with the client's secret."""
    audience: Text
    """Audience of the tokens, claim `aud`, without which the proxy takes none."""
    subject: Annotated[
        str,
        Field(
            pattern=r'^[^\s",#]+$',
            title="a subject without blanks, commas, quotes and # signs",
            examples=["6b1f0c1e-interlink"],
            max_length=255,
        ),
    ]
    """Claim `sub` of the client's tokens. The proxy takes those of no other, since whoever calls can submit jobs."""


RemoteApi = HttpsApi | OAuth2Api
"""An API that is not in the cluster."""
