"""What `config.json` of a `.keras` file describes, read as text: only Keras' own layers, and no code; no TensorFlow here."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MAX_DEPTH = 100  # nested lists and mappings; a model inside a model inside a model needs about 25
FUNCTIONS = ("keras.activations", "keras.ops", "keras.src.activations", "keras.src.ops", "builtins")  # "builtins": Keras' own
CODE = {  # class -> code that it would run
    "Lambda": "Python code",
    "__lambda__": "Python code",
    "TFSMLayer": "a SavedModel of another folder",
    "TorchModuleWrapper": "a pickled PyTorch module",
    "JaxLayer": "JAX code",
    "FlaxLayer": "JAX code",
}
UNUSED = "compile_config"  # loss and optimizer of the training, which are not loaded


def check_config(path: Path, content: bytes) -> None:
    """Refuse a description with code or with layers that are not Keras' own; none of it is built or imported.

    content: bytes of config.json of the `.keras` file `path`.

    Raises:
        ValueError: it is not the JSON of a model, is nested too deeply, or names code, or layers or functions of other packages.
    """
    config = _read_config(path, content)
    faults = list(dict.fromkeys(fault for node in _objects(config) if (fault := _tell_fault(node))))
    if _is_foreign(config):
        raise ValueError(
            f"a model must be a functional or a Sequential one, got {_name(config)} in {path}, a class whose code is not in the "
            "file; rebuild it as keras.Model(inputs, outputs) from its layers, copy the weights and save that"
        )
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        got = f"{', '.join(faults[:3])}{more} in {path}"
        raise ValueError(
            f"a model must be made of Keras' own layers and functions, got {got}; code of a file is never run: rebuild the "
            "model with Keras' layers that do the same (Rescaling, keras.ops), copy the weights and save that"
        )


def _read_config(path: Path, content: bytes) -> dict[str, Any]:
    too_deep = f"config.json of a .keras file must be nested at most {MAX_DEPTH} deep, got more in {path}; serve another file"
    try:
        config = json.loads(content)
    except RecursionError:
        raise ValueError(too_deep) from None
    except ValueError as fault:  # also of bytes that are not text
        raise ValueError(
            f"config.json of a .keras file must be JSON, got {fault} in {path}; save the model again by model.save('model.keras')"
        ) from None
    level, depth = [config], 0
    while level := [item for node in level for item in _items(node)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(too_deep)
    if (
        not isinstance(config, dict)
        or not isinstance(config.get("class_name"), str)
        or not isinstance(config.get("config"), dict)
    ):
        raise ValueError(
            f"config.json of a .keras file must describe a model, got {str(config)[:60]} in {path}; save the model again by "
            "model.save('model.keras')"
        )
    return config


def _items(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _objects(node: Any) -> Iterator[Mapping[str, Any]]:
    """Everything that Keras would build from a description: models, layers, initializers, functions."""
    if isinstance(node, dict):
        if "class_name" in node:
            yield node
        for key, value in node.items():
            if key != UNUSED:
                yield from _objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from _objects(value)


def _tell_fault(node: Mapping[str, Any]) -> str:
    """Why an object must not be built; empty where Keras' own code builds it."""
    word = str(node["class_name"])
    if word in CODE:
        return f"{_name(node)}, which holds {CODE[word]}"
    if word == "function" and not _of_packages(node.get("module"), FUNCTIONS):
        return f"the function {_printable(node.get('config'))} of {_printable(node.get('module') or 'your own code')}"
    return f"{_name(node)} of {_printable(node['module'] or 'your own code')}" if _is_foreign(node) else ""


def _is_foreign(node: Mapping[str, Any]) -> bool:
    return "module" in node and not _of_packages(node["module"], ("keras", "builtins"))


def _of_packages(module: Any, packages: tuple[str, ...]) -> bool:
    return isinstance(module, str) and any(module == package or module.startswith(f"{package}.") for package in packages)


def _name(node: Mapping[str, Any]) -> str:
    config = node.get("config")
    own = config.get("name") if isinstance(config, dict) else None
    return _printable(node["class_name"]) + (f" ({_printable(own)})" if own else "")


def _printable(word: Any) -> str:
    """A word of the file, safe to print on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(word)[:80])
