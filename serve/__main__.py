"""`python -m serve --workspace … --port …`."""

import sys

from serve.run import main

sys.exit(main())
