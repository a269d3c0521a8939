"""``python -m autolabel``."""

import sys

from autolabel.cli.main import main

sys.exit(main())
