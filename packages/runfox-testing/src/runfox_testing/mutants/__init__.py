"""Wrong implementations: for every check of the kit one that it has to see.

Each is made from the reference by one small change. The package's own tests run the real kit on each of them;
``python -m runfox_testing.mutants`` does so, too, and prints the kill matrix.
"""

from runfox_testing.mutants.mutant import Mutant, all_mutants, mutant

__all__ = ["Mutant", "all_mutants", "mutant"]
