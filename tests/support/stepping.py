"""Arms for tests, whatever params.yaml says: of a small network that is quickly pretrained, their heads solved or by steps."""

from typing import Any

RATE = {"low": 1.0e-4, "high": 1.0e-2, "log": True, "start": 1.0e-3}
HEAD = {"dropout": {"low": 0.0, "high": 0.5, "start": 0.2}, "weight_decay": 1.0e-4}
STEPS = {"unfreeze": "head", "epochs": 15, "learning_rate": RATE, "decay": "none", "batch_norm": "auto"}
NETWORK = {"backbone": "mobilenet_025", "weights": "pretrained"}
SOLVED = {"unfreeze": "head", "solver": "convex", "penalty": "auto"}
UPPER = {"unfreeze": 6, "epochs": 12, "learning_rate": 1.0e-3, "decay": "cosine", "batch_norm": "auto"}


def take_steps(values: dict[str, Any]) -> dict[str, Any]:
    """The values of params.yaml, changed in place: two arms of gradient steps, without shared objects."""
    for name, phases in (("baseline", [STEPS]), ("finetuned", [STEPS, UPPER])):
        values["arms"][name] = unshared({**NETWORK, "head": HEAD, "phases": phases})
    return values


def shrink_arms(values: dict[str, Any]) -> dict[str, Any]:
    """The values of params.yaml, changed in place: a baseline with a solved head, and an arm of gradient steps."""
    take_steps(values)["arms"]["baseline"] = unshared({**NETWORK, "phases": [SOLVED]})
    return values


def unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: unshared(item) for key, item in value.items()}
    return [unshared(item) for item in value] if isinstance(value, list) else value
