"""What xplique and Quantus say of seeded arrays, stored in references/ for test_references.py, which makes the same arrays.

Their pins exclude the project's versions, so each runs in an environment of its own and hilum in neither:

    uv venv --python 3.11 /tmp/with_xplique && uv venv --python 3.11 /tmp/with_quantus
    uv pip install --python /tmp/with_xplique/bin/python xplique==2.0.2 tensorflow-cpu==2.20.0 numpy==2.4.6 scipy==1.15.3
    uv pip install --python /tmp/with_quantus/bin/python quantus==0.6.0 numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0
    /tmp/with_xplique/bin/python tests/explain/make_references.py xplique
    /tmp/with_quantus/bin/python tests/explain/make_references.py quantus

No array has ties, and every setting that is not named is the package's own default.
"""

import hashlib
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent / "references"
FILMS, SIDE, SEED = 4, 20, 2026
RADIUS, NOISES = 5.0, 8
STEPS = (10, SIDE * SIDE)


def make_arrays():
    """Films (4, 20, 20, 1), signed and positive maps, annotations, the model's weights, noise: all of one seed."""
    rng = np.random.default_rng(SEED)
    films = rng.uniform(RADIUS + 1, 254 - RADIUS, (FILMS, SIDE, SIDE, 1)).astype(np.float32)
    signed = rng.normal(size=(FILMS, SIDE, SIDE)).astype(np.float32)
    positive = rng.gamma(0.7, size=(FILMS, SIDE, SIDE)).astype(np.float32)
    annotations = np.zeros((FILMS, SIDE, SIDE), bool)
    for i in range(FILMS):
        top, left = rng.integers(0, SIDE - 8, 2)
        annotations[i, top : top + 8, left : left + 6 + i] = True
    for i in range(0, FILMS, 2):  # half of the maps point into their annotation
        row, column = np.argwhere(annotations[i])[rng.integers(annotations[i].sum())]
        positive[i, row, column] = 1.5 * positive[i].max()
    for maps in (signed, positive):
        assert all(np.unique(np.abs(one)).size == one.size for one in maps)
    return {
        "films": films,
        "signed": signed,
        "positive": positive,
        "marks": annotations,
        "linear": (rng.normal(size=(SIDE, SIDE)) / 4).astype(np.float32),
        "bent": (rng.normal(size=(SIDE, SIDE)) / 4).astype(np.float32),
        "noise": rng.uniform(-RADIUS, RADIUS, (NOISES, FILMS, SIDE, SIDE, 1)).astype(np.float32),
    }


def hash_arrays(arrays):
    """What says that the packages were asked of the very arrays that `make_arrays` gives now."""
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def explain(films, arrays):
    """A map that moves with the film: film times gradient of the model's argument (see test_references.py)."""
    grey = np.asarray(films, np.float64).reshape(-1, SIDE, SIDE) / 255
    return grey * (arrays["linear"] + 2 * arrays["bent"] * (grey - 0.5))


def ask_xplique(arrays):
    """Deletion, insertion, drop, gain, MuFidelity with the masks it drew, sparseness and complexity."""
    import tensorflow as tf
    from xplique import metrics

    films = arrays["films"]
    linear, bent = (tf.constant(arrays[name]) for name in ("linear", "bent"))

    def verdict(images):
        grey = images[..., 0] / 255
        raised = tf.reduce_sum(linear * grey + bent * (grey - 0.5) ** 2, axis=(1, 2))
        one = tf.sigmoid(raised)
        return tf.stack([1 - one, one], axis=1)

    def answer(model, inputs, targets):
        return tf.reduce_sum(model(inputs) * targets, axis=-1)

    wanted = np.tile([[0.0, 1.0]], (FILMS, 1)).astype(np.float32)
    mean = lambda images: np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape)  # noqa: E731
    values = {}
    for steps in STEPS:
        for fill, baseline in {"black": 0.0, "mean": mean}.items():
            for name, metric in {"deletion": metrics.Deletion, "insertion": metrics.Insertion}.items():
                values[f"{name}_{fill}_{steps}"] = [
                    float(
                        metric(verdict, films[[i]], wanted[[i]], operator=answer, steps=steps, baseline_mode=baseline)(
                            arrays["signed"][[i]]
                        )
                    )
                    for i in range(FILMS)
                ]
    for name, metric in {"drop": metrics.AverageDropMetric, "gain": metrics.AverageGainMetric}.items():
        for target, side in ((0, "against"), (1, "for")):
            wanted_here = np.eye(2, dtype=np.float32)[[target] * FILMS]
            found = metric(verdict, films, wanted_here, operator=answer).detailed_evaluate(films, wanted_here, arrays["positive"])
            values[f"average_{name}_{side}"] = found.tolist()
    tf.random.set_seed(SEED)
    drawn, values["mu_fidelity"] = [], []
    grey = lambda images: tf.reduce_mean(images, axis=(2, 3, 4), keepdims=True)  # noqa: E731
    for i in range(FILMS):
        metric = metrics.MuFidelity(verdict, films[[i]], wanted[[i]], None, operator=answer, baseline_mode=grey)
        draw = metric._perturb_samples
        subsets = []
        metric._perturb_samples = lambda *asked, draw=draw, subsets=subsets: subsets.append(draw(*asked)) or subsets[-1]
        values["mu_fidelity"].append(metric(arrays["signed"][[i]]))
        drawn.append(np.concatenate([kept.numpy()[0] for _, kept in subsets])[..., 0] == 0)
    (FOLDER / "subsets.txt").write_text("".join(f"{np.packbits(one).tobytes().hex()}\n" for one in np.concatenate(drawn)))
    values["sparseness"] = metrics.Sparseness().detailed_evaluate(arrays["signed"]).tolist()
    values["complexity"] = metrics.Complexity().detailed_evaluate(arrays["signed"]).tolist()
    return values


def ask_quantus(arrays):
    """Relevance mass, attribution localisation, pointing game, sparseness, complexity, max-sensitivity, Spearman, SSIM."""
    import quantus

    films = np.moveaxis(arrays["films"], -1, 1).astype(np.float64)
    annotations = arrays["marks"][:, np.newaxis]
    noises = iter(arrays["noise"].reshape(NOISES, FILMS, -1))

    def asked(metric, maps, **more):
        given = np.asarray(maps, np.float64)[:, np.newaxis].copy()
        found = metric(model=None, x_batch=films.copy(), y_batch=np.ones(FILMS, int), a_batch=given, channel_first=True, **more)
        return np.asarray(found, float).tolist()

    quiet = {"disable_warnings": True}
    moved = quantus.MaxSensitivity(nr_samples=NOISES, perturb_func=lambda arr, **_: arr + next(noises), **quiet)
    own = explain(arrays["films"], arrays)
    pairs = [(one, one + other) for one, other in zip(arrays["signed"][::2], arrays["signed"][1::2], strict=True)]
    return {
        "relevance_mass": asked(quantus.RelevanceMassAccuracy(**quiet), arrays["positive"], s_batch=annotations),
        "attribution_localisation": asked(
            quantus.AttributionLocalisation(positive_attributions=True, abs=False, **quiet), arrays["signed"], s_batch=annotations
        ),
        "pointing_game": asked(quantus.PointingGame(**quiet), arrays["positive"], s_batch=annotations),
        "sparseness": asked(quantus.Sparseness(**quiet), arrays["signed"]),
        "complexity": asked(quantus.Complexity(**quiet), arrays["signed"]),
        "max_sensitivity": asked(
            moved, own, explain_func=lambda inputs, **_: explain(inputs, arrays)[:, np.newaxis], batch_size=FILMS
        ),
        "spearman": [float(quantus.similarity_func.correlation_spearman(one.ravel(), other.ravel())) for one, other in pairs],
        "ssim": [float(quantus.similarity_func.ssim(*scale(*pair))) for pair in pairs],
    }


def scale(one, other):
    """Two maps over their largest magnitudes; turned so that the first reaches 1 and the other -1, the range of signed maps."""
    up, down = (maps.flat[np.abs(maps).argmax()] for maps in (one, other))
    return one / up, -other / down


def main():
    package = sys.argv[1]
    FOLDER.mkdir(exist_ok=True)
    arrays = make_arrays()
    values = {"xplique": ask_xplique, "quantus": ask_quantus}[package](arrays)
    used = {name: version(name) for name in (package, "numpy", "scipy")}
    told = {"versions": used, "arrays_sha256": hash_arrays(arrays), "values": values}
    (FOLDER / f"{package}.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
