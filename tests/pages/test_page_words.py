"""What the comparison page warns of: what `prepare` noted, and classes that one of several sources has alone."""

from types import SimpleNamespace
from typing import Any, cast

from hilum.data.prepared.loading import read_manifest
from hilum.pages.page_words import find_warnings
from hilum.settings.params import read_params
from hilum.workspace import Workspace


def test_a_class_of_one_source_is_told_beside_the_comparison(own_copy: Workspace) -> None:
    params = read_params(own_copy.params)
    arms = cast(Any, {params.compare.reference: SimpleNamespace(settings={"params": {}})})
    (own_copy.prepared / "notes.txt").write_text("a note\n")
    assert find_warnings(arms, params, own_copy) == ["a note"], "of one source, no class can be told by it"
    manifest = read_manifest(own_copy.prepared / "manifest.csv")
    manifest.loc[manifest["label"] == "viral", "source"] = "elsewhere"
    manifest.to_csv(own_copy.prepared / "manifest.csv", index=False)
    told = find_warnings(arms, params, own_copy)
    assert [line[:48] for line in told[:-1]] == [
        "The class bacterial comes from the source phanto",
        "The class normal comes from the source phantom o",
        "The class viral comes from the source elsewhere ",
    ]
