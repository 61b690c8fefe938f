"""Where the whole file of "Online Retail" is, which is not shipped; the sample of it is."""

import os
from pathlib import Path
from typing import Final

from assent.resources import policies_folder

SAMPLE: Final = policies_folder() / "imports" / "samples" / "online-retail-2010-12.csv.gz"

VARIABLE: Final = "RETAIL_FILE"

_BESIDE: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "online-retail.csv.gz"


def whole_file() -> Path | None:
    """Return the file that RETAIL_FILE names, else the one in ../shared/data/ beside the checkout, if any."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _BESIDE
    return path if path.is_file() else None
