"""Passwords in displayed addresses are masked, wherever the address comes from."""

import re

MASK = "***"
# A password may contain anything but white space, even an @: it ends at the last one of its word. One slash remains where
# an address was taken for a path.
PASSWORD = re.compile(r"([a-zA-Z][\w+.-]*:/{1,2}[^\s/:@]*):\S+@")
TOKEN = re.compile(r"(https?:/{1,2})[^\s/:@]+@")  # a web address with one word before its host: a token
QUERY = re.compile(r"([?&](?:password|passwd|pwd|token|access_token|sslpassword)=)[^\s&'\"]+", re.IGNORECASE)


def mask(text: str) -> str:
    """The text with every password in an address replaced: `http://user:***@host`."""
    text = PASSWORD.sub(rf"\1:{MASK}@", text)
    text = TOKEN.sub(rf"\1{MASK}@", text)
    return QUERY.sub(rf"\1{MASK}", text)
