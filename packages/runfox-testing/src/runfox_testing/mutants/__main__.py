"""``python -m runfox_testing.mutants``: the kill matrix, as Markdown."""

from runfox_testing.mutants.matrix import main

raise SystemExit(main())
