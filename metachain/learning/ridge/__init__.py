"""Ridge regression of the answer on the text, over the demonstrations of all past institutions together.

It sees every demonstration at once, where a reply sees the eight nearest of one institution. So it says what a text's
words mean everywhere, also to an institution that has sisters and to texts that no demonstration is near to.
"""

from metachain.learning.ridge.normal_equations import FULL, MOST_ANSWERS, MOST_ROWS, PENALTY, NormalEquations
from metachain.learning.ridge.pooled import FREQUENCY_FLOOR, KINSHIP, SHARE_FLOOR, TEMPERING, PooledRidge

__all__ = ["CONSTANTS", "NormalEquations", "PooledRidge"]

CONSTANTS = (FULL, MOST_ANSWERS, MOST_ROWS, PENALTY, FREQUENCY_FLOOR, SHARE_FLOOR, TEMPERING, KINSHIP)
"""Everything that is fixed in the regression: statistics measured with others don't mix."""
