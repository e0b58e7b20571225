"""Start the Munich Appointment Bot: `python telegram_bot.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # also without an installed package

from termin_bot.program import main  # the path comes first

if __name__ == "__main__":
    sys.exit(main())
