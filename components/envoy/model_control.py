"""Loading and unloading of models by clients that are named for it. The calls of all others are refused as before."""

from components.envoy.args import EnvoyProxyArgs
from components.envoy.feature import Feature
from components.envoy.identity import model_controllers
from components.envoy.replies import local_reply
from components.envoy.routes import CLOSED, SERVICE, request
from components.envoy.typed import extension, response_matches

_PATHS = tuple(f"/{SERVICE}/{method}" for method in ("RepositoryModelLoad", "RepositoryModelUnload"))
_POLICY = "model-control"


def feature(args: EnvoyProxyArgs) -> Feature:
    """Return the two routes and the check of whoever calls them; off where nobody may."""
    controllers = model_controllers(args.clients)
    if not controllers:
        return Feature()
    return Feature(
        http_filters=[
            extension(
                _POLICY,
                "extensions.filters.http.rbac.v3.RBAC",
                rules={
                    "action": "DENY",
                    "policies": {
                        _POLICY: {
                            "permissions": [{"url_path": {"path": {"exact": path}}} for path in _PATHS],
                            "principals": [{"not_id": {"or_ids": {"ids": controllers}}}],
                        }
                    },
                },
            )
        ],
        patch_routes=lambda routes: [*(request(args, path, leaves_state=True) for path in _PATHS), *routes],
        local_replies=[
            local_reply(
                response_matches(f"response.code_details == 'rbac_access_denied_matched_policy[{_POLICY}]'"),
                CLOSED,
                retry=False,
            )
        ],
    )
