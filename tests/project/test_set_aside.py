"""A file that is set aside keeps its bytes, takes its journals along, and takes no other's place."""

from pathlib import Path

from hilum.project.set_aside import set_aside


def test_it_takes_the_first_free_number_and_its_journals_along(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    for number in (1, 2):
        file.write_text(f"store {number}")
        (tmp_path / "mlflow.db-wal").write_text(f"journal {number}")
        (tmp_path / "mlflow.db.txt").write_text("of another file")
        kept = set_aside(file, tmp_path / ".hilum")
        assert kept == tmp_path / f".hilum/set_aside/mlflow.db-{number}" and kept.read_text() == f"store {number}"
        assert kept.with_name(f"{kept.name}-wal").read_text() == f"journal {number}"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hilum", "mlflow.db.txt"]
