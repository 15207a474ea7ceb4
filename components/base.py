"""The base of every component: one token scheme, one way to name and parent children."""

from typing import Any

import pulumi

Manifest = Any
"""A piece of a Kubernetes manifest, as pure functions build it: a dict in Kubernetes' own camelCase.

`Any`, because the SDK's own dict types know only Python's spelling of the fields. What the types do not hold here,
a test does: every field of every manifest is looked up in the SDK (tests/support/fields.py).
"""


class SonicComponent(pulumi.ComponentResource):
    """A component with the token `sonic:index:<Class>`.

    Children hang under the component; of the caller's options they take only what the component is to be made after.
    The provider comes down from the parent. A subclass ends its constructor with `self.register_outputs(...)`, every
    public output named.
    """

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"sonic:index:{type(self).__name__}", name, None, opts)
        self.name = name
        self._made_after = (
            pulumi.ResourceOptions() if opts is None else pulumi.ResourceOptions(depends_on=opts.depends_on)
        )

    def child(self, role: str) -> str:
        """Pulumi name of the child that plays the role, unique in the stack as the component's own name is."""
        return f"{self.name}-{role}"

    def options(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child: this component as its parent, what is given here, and `depends_on` of the component.

        Pulumi itself lets the children of a component start before what the component depends on.
        """
        own = pulumi.ResourceOptions(parent=self, **options)
        return pulumi.ResourceOptions.merge(self._made_after, own)
