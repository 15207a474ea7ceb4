"""A stand-in for the official Pulumi Kubernetes provider plugin, for development and tests only.

The official plugin (`pulumi-resource-kubernetes`, 4.34 line) is downloaded by Pulumi; where that download is
possible, use it, and nothing here is needed. On a machine that reaches package registries only, the development
cluster puts `bin/` on PATH and Pulumi finds this program under the same name. It speaks the plugin's gRPC contract
against a real API server, so that previews, updates, waits, replacements and refusals are those that a site will see.

Where to look:

    __main__.py     the process: one gRPC server, its port on stdout
    server.py       one method per RPC: decode, call, encode
    config.py       the provider's own settings: CheckConfig, DiffConfig
    kubeconfig.py   the credentials and the address of the active context
    check.py        Check: canonical inputs, names, default namespace (quantity.py, schema.py, names.py)
    diff.py         Diff: detailed diff, what replaces (replacement.py), delete before replace (paths.py)
    lifecycle.py    Create, Read, Update, Delete on the cluster (api.py, ownership.py)
    awaiting.py     waits until an object works; readiness.py says what "works" means for each kind
    render.py       renderYamlToDirectory: manifests in files, no cluster
    state.py        what the checkpoint holds of an object
    wire.py         Pulumi's encoding of secrets and unknowns
    tokens.py       Pulumi type tokens <-> apiVersion and kind
    engine.py       messages to the person, through the engine

Pinned by tests (tests/pure/test_provider_*.py without a cluster, tests/engine/test_provider_*.py with one): state keys
and ids; autonames; canonical inputs; detailed diff and replacements; preview by server dry run and its blind spots
(missing namespace, unserved kind, unreachable cluster); waits for Deployments and Services; partial failures kept in
state and healed; field conflicts named; Patch resources that own only their keys; fields of other actors kept with
ignoreChanges; drift of declared fields; rendering.

Left out: Helm and Kustomize, the YAML resources (Construct, Invoke), Parameterize, List, GetMapping, client-side apply,
upsertExistingObjects, and the other provider settings that `config.py` refuses by name. Different on purpose: a
Service's endpoints settle for 1 s, not 10; unknown fields of built-in kinds are dropped only while the cluster can be
asked for its schema (the official plugin carries the schemas with it).
"""
