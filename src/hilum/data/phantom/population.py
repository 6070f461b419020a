"""The simulated patients: how chests and films may differ, one finding per patient, and which films have the shortcut."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hilum.data.phantom.exposure import HOSPITALS
from hilum.data.phantom.lesions import SHADOWS

FINDINGS: tuple[str, ...] = tuple(SHADOWS)

# What differs between patients: name -> range, drawn evenly. New rows go last, so that old films stay as they are.
BUILD: dict[str, tuple[float, float]] = {
    "chest": (0.66, 0.80),  # half width inside the ribs
    "flank": (0.08, 0.24),  # chest wall beside the ribs
    "depth": (0.62, 0.86),  # half depth of the trunk
    "apex": (-0.80, -0.70),
    "base": (0.56, 0.74),  # costophrenic angle
    "lift_right": (0.22, 0.34),  # height of the diaphragm's dome
    "lift_left": (0.17, 0.28),
    "axial": (-0.05, 0.05),  # rotation about the long axis: heart and clavicles against the spine
    "heart": (0.80, 1.00),
    "heart_angle": (0.45, 0.95),
    "aorta": (0.075, 0.115),
    "mediastinum": (0.095, 0.135),
    "bone": (0.70, 1.35),
    "rib_drop": (0.50, 0.72),
    "rib_gap": (0.128, 0.152),
    "rib_start": (-1.02, -0.90),
    "clavicle": (-0.70, -0.56),
    "vessels": (0.5, 1.4),
    "interstitium": (0.0, 1.0),
    "mottle": (0.15, 1.0),
    "breast": (0.0, 0.30),
    "breast_y": (0.18, 0.42),
    "scapula": (0.80, 1.00),
    "gas": (0.0, 0.22),
    "vessel_phase_right": (0.0, 6.28),
    "vessel_phase_left": (0.0, 6.28),
    "hilum_y": (-0.08, 0.06),
    "shoulder": (-1.06, -0.94),
    "old_scar": (-1.0, 1.0),  # below 0: none
    "old_scar_x": (0.15, 0.65),
    "old_scar_y": (-0.55, 0.45),
    "old_scar_size": (0.06, 0.22),
    "old_scar_side": (-1.0, 1.0),
    "granuloma": (-2.0, 1.0),  # below 0: none
    "granuloma_x": (0.2, 0.6),
    "granuloma_y": (-0.5, 0.4),
    "granuloma_side": (-1.0, 1.0),
    "blunting": (-1.0, 0.5),  # old pleural scar in the costophrenic angle
    "density": (0.10, 0.36),  # share of the lung that is tissue
    "uneven": (-0.08, 0.08),  # the same, one side against the other
}
# What differs between films of one patient.
POSITION: dict[str, tuple[float, float]] = {
    "shift_x": (-0.08, 0.08),
    "shift_y": (-0.10, 0.08),
    "zoom": (0.90, 1.04),
    "tilt": (-0.045, 0.045),
    "breath": (-0.05, 0.05),  # moves the diaphragm
}


def draw_population(
    rng: np.random.Generator,
    *,
    films: int,
    findings: Mapping[str, float],
    shortcut_finding: str,
    shortcut_strength: float,
    hospitals: Sequence[str] = (),
) -> pd.DataFrame:
    """One row per film: patient, finding, hospital, and whether the film has the planted shortcut.

    Columns: image_id, patient_id, finding, age, sex, hospital, patient_seed, film_seed, has_shortcut.
    findings: finding -> share of the films, exact up to rounding; a patient has one finding and 1 to 3 films.
    hospitals: out of HOSPITALS; none: all of them.
    shortcut_strength: 0 plants the shortcut at random, 1 in the films of `shortcut_finding` and no others.

    Raises: ValueError naming every illegal argument.
    """
    check_population(films, findings, shortcut_finding, shortcut_strength)
    if strange := [name for name in hospitals if name not in HOSPITALS]:
        raise ValueError(f"hospitals must be among {', '.join(HOSPITALS)}, got {', '.join(strange)}; use a legal name")
    groups = [(name, size) for name, count in film_counts(films, findings).items() for size in _films_per_patient(rng, count)]
    order = rng.permutation(len(groups))
    sizes = np.array([groups[i][1] for i in order])
    patients = pd.DataFrame(
        {
            "patient_id": [f"p{i + 1:04d}" for i in range(len(order))],
            "finding": [groups[i][0] for i in order],
            "age": rng.integers(18, 90, len(order)),
            "sex": rng.choice(["F", "M"], len(order)),
            "hospital": rng.choice(list(hospitals or HOSPITALS), len(order)),
            "patient_seed": rng.integers(2**62, size=len(order)),
        }
    )
    rows = patients.loc[patients.index.repeat(sizes)].reset_index(drop=True)
    number = np.concatenate([np.arange(1, size + 1) for size in sizes])
    rows.insert(0, "image_id", [f"{p}-{n}" for p, n in zip(rows["patient_id"], number, strict=True)])
    rows["film_seed"] = rng.integers(2**62, size=films)
    chance = findings.get(shortcut_finding, 0.0)
    agrees = (rows["finding"] == shortcut_finding).to_numpy(float)
    rows["has_shortcut"] = rng.random(films) < chance + (agrees - chance) * shortcut_strength
    return rows


def film_counts(films: int, findings: Mapping[str, float]) -> dict[str, int]:
    """Films per finding: shares of `films`, rounded by largest remainder so that they add up."""
    exact = {name: films * share for name, share in findings.items()}
    counts = {name: int(np.floor(value + 1e-9)) for name, value in exact.items()}
    rest = films - sum(counts.values())
    for name in sorted(exact, key=lambda n: counts[n] - exact[n])[:rest]:
        counts[name] += 1
    return counts


def _films_per_patient(rng: np.random.Generator, films: int) -> list[int]:
    """1 to 3 films each until there are `films`."""
    ends = np.minimum(np.cumsum(rng.choice([1, 2, 3], films, p=[0.5, 0.3, 0.2])), films)
    return [int(n) for n in np.diff(ends, prepend=0) if n]


def check_population(films: int, findings: Mapping[str, float], shortcut_finding: str, shortcut_strength: float) -> None:
    """Raise ValueError naming every illegal argument."""
    faults = []
    if unknown := sorted(set(findings) - set(FINDINGS)):
        faults.append(f"findings must be among {', '.join(FINDINGS)}, got {', '.join(unknown)}; use a legal name")
    if any(share < 0 for share in findings.values()) or abs(sum(findings.values()) - 1) > 1e-6:
        faults.append(f"shares of findings must be >= 0 and sum to 1, got {dict(findings)}; use shares such as 0.5 and 0.5")
    if films < max(1, len(findings)):
        faults.append(f"films must be at least one per finding ({len(findings)}), got {films}; use more films")
    if shortcut_finding not in FINDINGS:
        faults.append(f"shortcut finding must be among {', '.join(FINDINGS)}, got {shortcut_finding}; use a legal name")
    if not 0 <= shortcut_strength <= 1:
        faults.append(f"shortcut strength must lie in 0..1, got {shortcut_strength}; use 0 for chance and 1 for always")
    if faults:
        raise ValueError("\n".join(faults))
