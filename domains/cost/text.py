"""One scikit-learn pipeline from a name and numbers to a class."""

from __future__ import annotations

from typing import Any

SEED = 7
WORD = r"[A-Za-z0-9]+"


def name_forest(text: str) -> Any:
    """Return a forest over TF-IDF of a text column and whatever numeric columns there are.

    Args:
        text: Name of the text column; all others are numbers.
    """
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    # Names are words joined by underscores, so a letter's neighbours say as much as whole words.
    words = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), min_df=2, max_features=1_000)
    numbers = SimpleImputer(strategy="median", keep_empty_features=True)
    columns = ColumnTransformer(
        [
            ("words", words, text),
            ("letters", letters, text),
            ("numbers", numbers, make_column_selector(dtype_include="number")),
        ]
    )
    forest = RandomForestClassifier(
        n_estimators=200,
        min_samples_leaf=2,
        max_features=0.2,
        class_weight="balanced_subsample",
        n_jobs=2,
        random_state=SEED,
    )
    return make_pipeline(columns, forest)
