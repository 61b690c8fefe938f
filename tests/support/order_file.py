"""A file of order lines in the columns of policies/imports/online-retail.toml, with every kind of line."""

import csv
import random
from datetime import datetime, timedelta
from pathlib import Path

from assent.resources import policies_folder

MAPPING = policies_folder() / "imports" / "online-retail.toml"

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)

BLOCKED = "unknown"
"""A customer number that the policy takes for nobody."""


def write_orders(path: Path, invoices: int, *, seed: int = 1) -> Path:
    """Write invoices of one to three lines; of every hundred, one cannot be read and one names nobody."""
    dice = random.Random(seed)
    at = datetime(2011, 3, 1, 9, 0)  # noqa: DTZ001 - the file's own clock
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(invoices):
            at += timedelta(minutes=dice.randrange(1, 30))
            customer = f"{dice.randrange(1, invoices // 4 + 2)}.0" if dice.random() < 0.8 else ""
            customer = BLOCKED if number % 100 == 7 else customer
            quantity = "many" if number % 100 == 42 else str(dice.randrange(1, 20))
            for line in range(dice.randrange(1, 4)):
                price = f"{dice.randrange(1, 5000) / 100:.2f}"
                row = (f"{5000 + number}", f"S{line}", "LANTERN", quantity, f"{at}", price, customer, "Italy")
                writer.writerow(row)
    return path
