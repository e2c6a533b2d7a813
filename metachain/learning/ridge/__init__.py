"""Ridge regression of the answer on the text, over the demonstrations of all past institutions together.

It sees every demonstration at once, where a reply sees the eight nearest of one institution. So it says what a text's
words mean everywhere, also to an institution that has sisters and to texts that no demonstration is near to.
"""

from metachain.learning.ridge.normal_equations import NormalEquations
from metachain.learning.ridge.pooled import PooledRidge

__all__ = ["NormalEquations", "PooledRidge"]
