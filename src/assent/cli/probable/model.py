"""Let Splink guess which forms are which customers' (https://moj-analytical-services.github.io/splink/).

Fellegi and Sunter's model, trained on the entries alone: nobody tells it who is who. Needs the extra
`assent[probable]`. Raises PolicyInvalid where that is not installed.
"""

import logging
from collections.abc import Iterator, Sequence

from msgspec import structs

from assent.cli.probable.people import Entry
from assent.core.errors import PolicyInvalid

Guess = tuple[str, str, float]
"""A customer, a form, and how sure the model is that both are one person."""


def guesses(known: Sequence[Entry], filled_in: Sequence[Entry], seed: int) -> Iterator[Guess]:
    """Yield every pair that the model finds worth saying, above one in a hundred."""
    try:
        import duckdb  # noqa: PLC0415 an extra: nothing else needs it
        import pyarrow as pa  # noqa: PLC0415
        import splink.comparison_library as compare  # noqa: PLC0415
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415
    except ImportError as error:
        message = "the example needs the extra `probable`: pip install '.[probable]' in the checkout"
        raise PolicyInvalid(message) from error
    logging.getLogger("splink").setLevel(logging.ERROR)
    backend = DuckDBAPI(connection=duckdb.connect(config={"threads": 1}))
    tables = [
        backend.register(pa.Table.from_pylist([*map(_row, entries)]), dataset_display_name=name)
        for name, entries in (("customers", known), ("forms", filled_in))
    ]
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name="id",
        comparisons=[
            compare.JaroWinklerAtThresholds("given", [0.92, 0.8]),
            compare.JaroWinklerAtThresholds("family", [0.92, 0.8]).configure(term_frequency_adjustments=True),
            compare.DamerauLevenshteinAtThresholds("email", 1),  # alike by names: only a slip counts
            compare.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
            compare.ExactMatch("born"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("family", "given"),
            block_on("postcode"),
        ],
    )
    linker = Linker(tables, settings, log_level=logging.ERROR)
    learn = linker.training
    learn.estimate_probability_two_random_records_match([block_on("email")], recall=0.45)
    learn.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=seed)
    learn.estimate_parameters_using_expectation_maximisation(block_on("family", "given"))
    learn.estimate_parameters_using_expectation_maximisation(block_on("postcode"))
    found = linker.inference.predict(threshold_match_probability=0.01)
    for row in found.as_record_list():
        ends = {row["source_dataset_l"]: row["id_l"], row["source_dataset_r"]: row["id_r"]}
        yield ends["customers"], ends["forms"], row["match_probability"]


def _row(entry: Entry) -> dict[str, str | None]:
    """Return an entry without who it truly is; a blank is missing, not equal to other blanks."""
    said = structs.asdict(entry)
    del said["person"]
    return {name: value or None for name, value in said.items()}
