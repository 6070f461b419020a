"""What a file describes is read as text: other layers than Keras' own, and code, are refused by name and never run."""

import json
from pathlib import Path
from typing import Any

import pytest
from own_models import MODELS, read_config, save_own

from hilum.serving.model_config import check_config

PATH = Path("own/model.keras")
STRANGE = {"custom_layer", "lambda", "subclassed"}


def described(**layer: Any) -> bytes:
    return json.dumps({"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}).encode()


@pytest.mark.parametrize("name", [name for name in MODELS if name not in STRANGE])
def test_keras_own_layers_and_operations_pass(tmp_path: Path, name: str) -> None:
    check_config(PATH, read_config(save_own(tmp_path, name)).encode())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("custom_layer", r"got Mine \(mine\w*\) of own_models in own/model\.keras; code of a file is never run"),
        ("lambda", r"got Lambda \(lambda\w*\), which holds Python code"),
        ("subclassed", r"a functional or a Sequential one, got Subclassed .*rebuild it as keras\.Model\(inputs, outputs\)"),
    ],
)
def test_own_code_is_refused(tmp_path: Path, name: str, told: str) -> None:
    config = read_config(save_own(tmp_path, name)).encode()
    with pytest.raises(ValueError, match=told):
        check_config(PATH, config)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (
            {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}},
            "TFSMLayer, which holds a SavedModel",
        ),
        ({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}}, "a pickled PyTorch module"),
        ({"module": "os", "class_name": "function", "config": "system"}, "the function system of os"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "the function get_file of keras.utils"),
        ({"module": "subprocess", "class_name": "Popen", "config": {}}, "Popen of subprocess"),
        ({"module": "a\x1b[31m\n", "class_name": "Own\n", "config": {"name": "\x07"}}, r"got Own\? \(\?\) of a\?\[31m\? in"),
        ({"module": None, "class_name": "Own", "config": {}, "registered_name": "a>Own"}, "Own of your own code"),
        ({"module": "kerasx.layers", "class_name": "Own", "config": {}}, r"Own of kerasx\.layers"),
    ],
)
def test_what_would_run_other_code_is_refused(layer: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_config(PATH, described(**layer))


def test_the_loss_of_the_training_is_not_looked_at() -> None:
    own = {"module": None, "class_name": "function", "config": "my_loss"}
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {}, "compile_config": {"loss": own}}
    check_config(PATH, described(**layer))


@pytest.mark.parametrize("depth", [101, 5_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    content = b'{"class_name": "Sequential", "config": {"layers": ' + b"[" * depth + b"]" * depth + b"}}"
    with pytest.raises(ValueError, match="nested at most 100 deep"):
        check_config(PATH, content)


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b'{"class_name": "Sequential"}', b'{"class_name": 3, "config": {}}'])
def test_what_describes_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="must describe a model"):
        check_config(PATH, content)
