"""The base of every component: one token scheme, one way to name and parent children."""

from typing import Any

import pulumi

Manifest = Any
"""A piece of a Kubernetes manifest, as pure functions build it: a dict in Kubernetes' own camelCase.

It is `Any`, because the SDK's dict types know only Python's spelling of the fields. A test checks instead: it
looks up every field of every manifest in the SDK (tests/support/fields.py).
"""


class SonicComponent(pulumi.ComponentResource):
    """A component with the token `sonic:index:<Class>`.

    Children get this component as parent and inherit only `depends_on` from the caller's options. The provider comes
    from the parent. A subclass ends its constructor with `self.register_outputs(...)`, which names every public output.
    """

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"sonic:index:{type(self).__name__}", name, None, opts)
        self.name = name
        self._made_after = (
            pulumi.ResourceOptions() if opts is None else pulumi.ResourceOptions(depends_on=opts.depends_on)
        )

    def child(self, role: str) -> str:
        """Return the Pulumi name of a child. It is unique in the stack, as the component's own name is."""
        return f"{self.name}-{role}"

    def options(self, **options: Any) -> pulumi.ResourceOptions:
        """Return the options of a child: this component as parent, the given options, and the component's `depends_on`.

        Without the last, Pulumi starts the children of a component before its dependencies are ready.
        """
        own = pulumi.ResourceOptions(parent=self, **options)
        return pulumi.ResourceOptions.merge(self._made_after, own)
