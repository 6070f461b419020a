"""Optional packages: what to install where one is missing."""

import importlib.util
import sys

PARTS = {  # module that is missing -> (package to install, what it is for, the extra of pyproject.toml that holds it or "")
    "psycopg": ("psycopg[binary]", "a tracking store in PostgreSQL", "psycopg"),
    "psycopg2": ("psycopg2-binary", "a tracking store in PostgreSQL", "postgresql"),
    "MySQLdb": ("mysqlclient", "a tracking store in MySQL", ""),  # it and pyodbc need system libraries
    "pymysql": ("pymysql", "a tracking store in MySQL", "mysql"),
    "pyodbc": ("pyodbc", "a tracking store in SQL Server", ""),
    "pymssql": ("pymssql", "a tracking store in SQL Server", "mssql"),
    "boto3": ("boto3", "artifacts in S3", "s3"),
    "google": ("google-cloud-storage", "artifacts in Google Cloud Storage", "gcs"),
    "azure": ("azure-storage-blob", "artifacts in Azure", "azure"),
    "ai_edge_litert": ("ai-edge-litert", "a model in LiteRT", "litert"),
    "tf2onnx": ("tf2onnx", "writing a model in ONNX", "onnx"),
    "onnx": ("onnx", "writing a model in ONNX", "onnx"),
    "onnxruntime": ("onnxruntime", "a model in ONNX", "onnx"),
    "torch": ("torch", "the sampler gp of a search", ""),
    "dask": ("dask", "tune.executor dask", "dask"),
    "distributed": ("distributed", "tune.executor dask", "dask"),
    "dask_jobqueue": ("dask-jobqueue", "a cluster of tune.dask.cluster", "dask"),
    "keras_hub": ("keras-hub", "a backbone hub:NAME", "hub"),
    "streamlit": ("streamlit", "the reading room", "app"),
    "dvc_s3": ("dvc-s3", "a DVC remote in S3", "dvc-s3"),
    "dvc_gs": ("dvc-gs", "a DVC remote in Google Cloud Storage", "dvc-gs"),
    "dvc_ssh": ("dvc-ssh", "a DVC remote over SSH", "dvc-ssh"),
}
CORE = ("dvc", "mlflow", "numpy", "pandas", "pydantic", "tensorflow", "yaml")  # present in the right environment


def tell_missing(module: str) -> str:
    """Which package is missing, and the remedy: the right environment where this is the wrong one, else installing the package.

    module: the name that could not be imported, with dots or without.
    """
    top = module.partition(".")[0]
    missing = [name for name in CORE if importlib.util.find_spec(name) is None]
    if top in CORE or missing:
        return (
            f"{sys.executable} has no package {module}; activate the environment (`. .venv/bin/activate`) or make it with "
            "`make repro`"
        )
    package, use, extra = PARTS.get(top, (top, "this", ""))
    source = f"it comes with hilum's extra {extra}" if extra else "hilum does not bring it"
    return (
        f"{use} needs the package {package} ({module}), which {sys.executable} has not: {source}; install it with "
        f"`uv pip install --python {sys.executable} '{package}'`"
    )
