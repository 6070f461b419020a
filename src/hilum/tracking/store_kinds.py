"""The kinds of stores an address may name, and the package that each kind of database needs."""

import sys
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from hilum.addresses import mask
from hilum.packages import PARTS

TRACKING, REGISTRY = "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
UNSET = {  # what applies where a variable is not set
    TRACKING: "the store is mlflow.db beside params.yaml",
    REGISTRY: "models are registered where runs are tracked",
}
DRIVERS = {  # dialect of SQL that MLflow writes -> drivers that SQLAlchemy knows -> the module of each, the usual one first
    "sqlite": {"pysqlite": ""},
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
    "mssql": {"pyodbc": "pyodbc", "pymssql": "pymssql"},
}
OTHERS = ("http", "https", "file", "databricks", "databricks-uc", "uc")  # schemes that MLflow reads without SQLAlchemy
PLUGINS = {TRACKING: "mlflow.tracking_store", REGISTRY: "mlflow.model_registry_store"}  # groups of entry points that add schemes


def check_kind(uri: str, variable: str) -> None:
    """Refuse an address of an unknown kind of store or database driver.

    variable: the one that names the address.

    Raises:
        ValueError: with the known kinds and drivers, and what to install.
    """
    scheme = urlsplit(uri).scheme
    dialect, _, driver = scheme.partition("+")
    told = f"{variable} must name a store that MLflow knows, got {mask(uri)}"
    if dialect not in DRIVERS:
        if scheme and scheme not in OTHERS and scheme not in {point.name for point in entry_points(group=PLUGINS[variable])}:
            databases = "; ".join(tell_drivers(name) for name in DRIVERS if DRIVERS[name] != {"pysqlite": ""})
            raise ValueError(
                f"{told}: {scheme!r} is not a kind of store; known are http(s)://host:port, sqlite:///file and databases whose "
                f"driver is installed ({databases}); correct it, or unset it: then {UNSET[variable]}"
            )
        return
    import sqlalchemy
    from sqlalchemy.dialects import registry

    try:
        registry.load(f"{dialect}.{driver}" if driver else dialect)
    except sqlalchemy.exc.NoSuchModuleError:
        raise ValueError(
            f"{told}: {driver!r} is no driver of {dialect} that SQLAlchemy knows; known are {tell_drivers(dialect)}, installed "
            f"by `uv pip install --python {sys.executable} PACKAGE`; correct it, or unset it: then {UNSET[variable]}"
        ) from None
    try:
        sqlalchemy.make_url(uri)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # of a port that is not a number
        raise ValueError(
            f"{told}: it must read {scheme}://user:password@host:port/database with a number as port; correct it, or unset it: "
            f"then {UNSET[variable]}"
        ) from None


def tell_drivers(dialect: str) -> str:
    """The drivers of a dialect by their names in addresses, and the package of each."""
    packages = {driver: PARTS[module][0] if module else "" for driver, module in DRIVERS[dialect].items()}
    return " or ".join(f"{dialect}+{driver}" + (f" (package {name})" if name else "") for driver, name in packages.items())
