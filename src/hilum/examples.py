"""Examples of every verb, shown at the end of its help."""

EXAMPLES = {
    "check": ("hilum check", "hilum check --dry-run        # the stages that would run, and why"),
    "doctor": ("hilum doctor", "hilum doctor --mend"),
    "acquire": ("hilum acquire --source phantom",),
    "prepare": ("hilum prepare",),
    "split": ("hilum split",),
    "pretrain": ("hilum pretrain",),
    "tune": ("hilum tune --arm finetuned",),
    "train": ("hilum train --arm baseline",),
    "fingerprint": ("hilum fingerprint --arm baseline",),
    "ensemble": ("hilum ensemble --arm both        # below `ensembles` of params.yaml",),
    "evaluate": (
        "hilum evaluate --arm baseline",
        "hilum evaluate --arm baseline --json | jq .metrics",
        "hilum evaluate --model models:/hilum@champion --data clinic/labels.csv",
        "hilum evaluate --model my.keras --classes well,ill --data films",
    ),
    "crossvalidate": ("hilum crossvalidate --arm baseline",),
    "explain": (
        "hilum explain --arm baseline",
        "hilum explain --image film.png --methods gradcam,lime --out explained",
        "hilum explain --films films --methods gradcam --workers 2",
    ),
    "audit": ("hilum audit --arm baseline",),
    "external": ("hilum external --arm baseline",),
    "compare": (
        "hilum compare",
        "hilum compare baseline 1f3a9c02 --reference baseline",
        "hilum compare --where \"params.backbone = 'mobilenet'\" --out nets.html",
    ),
    "publish": ("MLFLOW_TRACKING_URI=http://localhost:5000 hilum publish",),
    "verify": ("hilum verify", "hilum verify --quiet && echo 'no byte differs from dvc.lock'"),
    "ui": ("hilum ui", "hilum ui --port 5001"),
    "app": (
        "hilum app                      # the champion, else the newest arm",
        "hilum app --model models:/hilum/1 --beside models:/hilum/2 --films clinic",
        "hilum app --model my.keras --classes well,ill --size 224 --square pad",
    ),
    "predict": (
        "hilum predict --model exported/model.tflite --images films --out out.csv",
        "hilum predict --model models:/hilum@champion --images films --out out.csv",
        "hilum predict --model my.keras --classes well,ill --images films --out a.csv",
    ),
    "recalibrate": (
        "hilum recalibrate --model models:/hilum@champion --data films/north",
        "hilum recalibrate --model my.keras --classes well,ill --data clinic/labels.csv",
        "hilum recalibrate --model runs:/3f2a --data films/north --register",
    ),
    "export": ("hilum export --model models:/hilum@champion --format litert --out exported",),
    "reading": (
        "hilum reading                # what readers marked and answered",
        "hilum reading --marks films/clinic --table labels.csv",
        "hilum reading --truth data/prepared/manifest.csv --predictions out.csv",
        "hilum reading --references models:/hilum@champion",
    ),
    "experiment": ("hilum experiment films=300 seed=7", "hilum experiment --recipe pediatric --set 'train.batch_size=16'"),
}
