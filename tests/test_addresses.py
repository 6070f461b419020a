"""No password of an address is shown, whatever is in it and around it."""

import pytest

from hilum.addresses import mask


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host", "http://user:***@host"),
        ("https://user:pw@host:5000/path is away", "https://user:***@host:5000/path is away"),
        ("postgresql://user:pw@host/db", "postgresql://user:***@host/db"),
        ("mysql+pymysql://user:p%40w@host:3306/db", "mysql+pymysql://user:***@host:3306/db"),
        ("postgresql://user:p@w:d@host/db", "postgresql://user:***@host/db"),
        ("http://user:p/w#d?'e@host/", "http://user:***@host/"),
        ("https://:pw@host", "https://:***@host"),
        ("/project/http:/user:pw@host/w.h5", "/project/http:/user:***@host/w.h5"),
        ("https://token@host/x.git", "https://***@host/x.git"),
        ("got 'http://a:b@h', not postgresql://c:d@i/db", "got 'http://a:***@h', not postgresql://c:***@i/db"),
        ("postgresql://host/db?user=u&password=pw&sslmode=require", "postgresql://host/db?user=u&password=***&sslmode=require"),
        ("https://host/x?token=abc", "https://host/x?token=***"),
    ],
)
def test_a_password_is_masked(text: str, shown: str) -> None:
    assert mask(text) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me/project/mlflow.db",
        "sqlite:////home/me@work/mlflow.db",
        "http://127.0.0.1:5000/api",
        "models:/hilum@champion is baseline",
        "postgresql://user@host/db",
        "a 1:2 mail to me@host",
        "at 12:30 http://host:80 and a@b",
    ],
)
def test_what_holds_no_password_stays(text: str) -> None:
    assert mask(text) == text
