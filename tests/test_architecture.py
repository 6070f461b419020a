"""The house: imports go down only, heavy libraries stay at home, and dvc.yaml declares the code that a stage truly imports."""

import ast
from pathlib import Path

import pytest
import yaml

SRC = Path(__file__).resolve().parents[1] / "src"
PACKAGE = SRC / "hilum"
FLOORS = [  # from the top; parts of one floor do not import each other
    ({"__main__"}),
    ({"cli"}),
    ({"stages"}),
    ({"runs"}),
    ({"audit"}),
    ({"training", "evaluation", "explain", "tracking"}),
    ({"models"}),
    ({"data"}),
    ({"results", "workspace", "progress"}),
    ({"config", "records"}),
    ({"faults", "explain_settings", "training_settings"}),
    ({"source_settings"}),
    ({"searched"}),
]
HOMES = {
    "mlflow": {"tracking"},
    "optuna": {"training"},
    "imblearn": {"data"},
    "cv2": {"data"},
    "shap": {"explain"},
    "lime": {"explain"},
    "tf_keras_vis": {"explain"},
    "skimage": {"explain"},
    "pydicom": {"data"},
    "tensorflow": {"models", "training", "explain", "audit", "tracking"},
    "keras": {"models", "training", "explain", "audit", "tracking"},
}
EXEMPT = {  # re-run nothing when edited
    *("config.py", "explain_settings.py", "training_settings.py", "faults.py", "searched.py", "source_settings.py"),
    *("workspace.py", "tracking.py", "cli.py", "runs.py", "progress.py"),
}


def modules() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path: Path) -> set[str]:
    """Every name that a file imports, at the top or inside a function, as dotted module or module.attribute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor_of(module: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if part_of(module) in floor)


def code_of(verb: str) -> set[str]:
    """The files below src/hilum that a stage imports, directly or through others, as dvc.yaml names them."""
    known = modules()
    todo, seen = [f"hilum.stages.{verb}"], set()
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        if known[module].name not in EXEMPT:
            todo += [name for name in imports_of(known[module]) if name in known]
    paths = {known[module] for module in seen}
    paths |= {template for path in paths for template in path.parent.glob("*.html") if template.name in path.read_text()}
    files = {path.relative_to(SRC.parent).as_posix() for path in paths}
    return {file for file in files if Path(file).name not in EXEMPT and not file.endswith("__init__.py")}


def stage_bodies() -> dict[str, dict]:
    stages = yaml.safe_load((SRC.parent / "dvc.yaml").read_text())["stages"]
    return {name: body.get("do", body) for name, body in stages.items()}


@pytest.mark.parametrize("module", [m for m in modules() if m != "hilum"])
def test_imports_go_down_only(module: str) -> None:
    own = floor_of(module)
    for name in imports_of(modules()[module]):
        if name.startswith("hilum.") and name in modules():
            assert floor_of(name) > own or part_of(name) == part_of(module), (
                f"{module} imports {name}, which stands above or beside it"
            )


@pytest.mark.parametrize("module", [m for m in modules() if m != "hilum"])
def test_heavy_libraries_stay_at_home(module: str) -> None:
    for name in imports_of(modules()[module]):
        top = name.split(".")[0]
        assert part_of(module) in HOMES.get(top, {part_of(module)}), f"{module} imports {name}; its home is {HOMES.get(top)}"


def test_every_module_has_a_floor_and_there_are_no_stray_folders() -> None:
    for module in modules():
        if module != "hilum":
            floor_of(module)
    assert not [p for p in PACKAGE.rglob("*") if p.stem in {"utils", "helpers", "common", "base", "manager"}]


@pytest.mark.parametrize("verb", sorted(stage_bodies()))
def test_dvc_declares_the_code_that_a_stage_imports(verb: str) -> None:
    declared = {dep for dep in stage_bodies()[verb].get("deps", []) if dep.startswith("src/")}
    wanted = set() if verb == "check" else code_of(verb)  # check runs at every call
    assert declared == wanted, f"missing: {sorted(wanted - declared)}; superfluous: {sorted(declared - wanted)}"


@pytest.mark.parametrize("module", ["hilum.cli", "hilum.config", "hilum.evaluation.metrics", "hilum.explain.methods"])
def test_light_modules_do_not_load_tensorflow(module: str) -> None:
    import subprocess
    import sys

    code = f"import sys; import {module}; sys.exit('tensorflow' in sys.modules or 'mlflow' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SRC), "PATH": ""}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr


def test_only_named_stages_open_the_test_rows() -> None:
    allowed = {"split", "evaluate", "explain", "audit"}
    for verb, body in stage_bodies().items():
        opens = any("test.csv" in dep or dep == "data/split" for dep in body.get("deps", []))
        assert not opens or verb in {*allowed, "compare"}, f"{verb} depends on the test rows"
    for verb in ("tune", "train", "pretrain", "crossvalidate"):
        text = (PACKAGE / "stages" / f"{verb}.py").read_text()
        assert '"test"' not in text and "test.csv" not in text


def test_every_picture_of_a_map_carries_the_stamp_of_the_sanity_gate() -> None:
    """A file that lays maps over films also calls what says on the picture that a method failed."""

    def called(path: Path) -> set[str]:
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        return {func.id for func in calls if isinstance(func, ast.Name)}

    drawing = {path.stem: called(path) for path in modules().values() if "draw_heat" in called(path)}
    assert drawing
    for name, calls in drawing.items():
        assert calls & {"stamp_map", "stamp_title"}, f"{name} draws maps and does not call stamp_map or stamp_title"
