"""Addresses of MLflow's pages."""

from urllib.parse import parse_qs

from hilum.tracking.links import compare_link, page_address, view_link


def asked(link: str) -> dict[str, list[str]]:
    return parse_qs(link.partition("?")[2])


def test_pages_are_at_the_server_or_on_this_machine_and_never_show_a_password() -> None:
    assert page_address("sqlite:////home/me/mlflow.db") == "http://127.0.0.1:5000"
    assert page_address("sqlite:////home/me/mlflow.db", 5001) == "http://127.0.0.1:5001"
    assert page_address("postgresql://me:secret@host/runs") == "http://127.0.0.1:5000"
    assert page_address("https://host/mlflow/") == "https://host/mlflow"


def test_a_view_opens_in_the_part_of_mlflow_that_is_about_training() -> None:
    link = view_link("http://host", "7", "hilum-maps", charts=True)
    assert link.startswith("http://host/#/experiments/7/runs?")
    assert asked(link) == {
        "workflowType": ["machine_learning"],
        "viewStateShareKey": ["hilum-maps"],
        "compareRunsMode": ["CHART"],
    }
    assert "compareRunsMode" not in asked(view_link("http://host", "7", "hilum-arms", charts=False))


def test_a_comparison_names_its_runs_in_one_word_of_a_terminal() -> None:
    link = compare_link("http://host", "7", ["a1", "b2"])
    assert asked(link)["runs"] == ['["a1","b2"]'] and asked(link)["experiments"] == ['["7"]']
    assert not set(link) & set("\"' []")
