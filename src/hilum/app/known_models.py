"""Which models the app offers where none is named: the champion, and the model of every arm in results/."""

from pathlib import Path

from hilum.tracking.stored_models import find_model
from hilum.workspace import Workspace

CHAMPION = "models:/{model}@champion"


def list_models(workspace: Workspace, model: str) -> list[str]:
    """Addresses, the best guess first: the champion if the store has one, then the arms' files, the newest first.

    model: the registered model's name, `tracking.model`.
    """
    arms = sorted(workspace.root.glob("results/arms/*/training/model.keras"), key=lambda file: -file.stat().st_mtime_ns)
    found = [str(file) for file in arms if file.with_name("model.json").is_file()]
    champion = CHAMPION.format(model=model)
    try:
        return [find_model(champion, workspace), *found]
    except ValueError:  # no store, or no champion in it
        return found


def name_model(address: str) -> str:
    """An address for a list: of an arm's file its name, else the address."""
    parts = Path(address).parts
    return f"arm {parts[-3]} (results)" if parts[-2:] == ("training", "model.keras") and len(parts) > 3 else address
