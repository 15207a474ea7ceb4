"""The configuration model: what a site is, what an experiment is, and what a stack of the two is.

Defaults and descriptions live here and nowhere else; `python -m stacks schema` prints them.
"""

from stacks.schema.experiment import Experiment
from stacks.schema.site import Site
from stacks.schema.stack import PoolShare, StackConfig

__all__ = ["Experiment", "PoolShare", "Site", "StackConfig"]
