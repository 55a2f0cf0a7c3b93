"""A victim behind an HTTP endpoint: ``POST {"texts": [...]}`` → ``{"probabilities": [[...]], "labels": [...]}``.

Texts go in batches over one kept connection. What may pass by itself (no connection, a timeout, 408, 429, 5xx) is tried
again after 1, 2, 4 … times the first pause; everything else is said at once. Standard library only; redirects are not
followed and proxies not asked: texts go to the address that was named and nowhere else.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from aat_datasets.errors import InputError, VictimError

__all__ = ["TOKEN", "Endpoint", "HttpOptions"]

TOKEN = "AAT_HTTP_TOKEN"
"""Environment variable whose value is sent as a bearer token; never written anywhere."""

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LARGEST = 64 << 20  # bytes of an answer: more is no table of probabilities
_PATIENCE = 60.0  # seconds: the longest pause a server's Retry-After is granted


class HttpOptions(NamedTuple):
    """How an endpoint is asked.

    Attributes:
        batch: texts a request.
        timeout: seconds without an answer before a request is given up.
        retries: how often a request is made again; the first one, which says whether anybody is there, once at most.
        backoff: seconds before the first retry; doubled with each.
        rate: requests a second at most; 0: as fast as they are answered.
    """

    batch: int = 64
    timeout: float = 30.0
    retries: int = 4
    backoff: float = 0.5
    rate: float = 0.0

    def check(self) -> HttpOptions:
        """These options. Raises InputError for one that is out of range."""
        if self.batch < 1 or self.retries < 0:
            raise InputError(f"batch {self.batch}, retries {self.retries}: expected at least 1 and at least 0")
        if not (0 < self.timeout < math.inf and 0 <= self.backoff < math.inf and 0 <= self.rate < math.inf):
            raise InputError(f"timeout {self.timeout}, rate {self.rate}: expected numbers that are not negative")
        return self


class Endpoint:
    """One endpoint.

    Attributes:
        labels: class names; numbers where the endpoint gave none.
        named: whether it gave them.
        requests, retried: how many requests were answered, and how many had to be made again.

    Raises InputError for an address that cannot be one, VictimError where it does not answer as it must.
    """

    def __init__(
        self,
        url: str,
        options: HttpOptions | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self.url = url
        self.options = (options or HttpOptions()).check()
        self.requests = 0
        self.retried = 0
        self._sleep = sleep
        self._clock = clock
        self._next = -math.inf  # when the next request may go out
        self._address = _address(url)
        answer = self._post(["text"], min(1, self.options.retries))  # nobody is there: said soon
        row = _rows(answer, 1, url)[0]
        self.named = "labels" in answer
        self.labels = _labels(answer, len(row), url) if self.named else [str(number) for number in range(len(row))]

    def __call__(self, texts: list[str]) -> list[list[float]]:
        """Probabilities of each text, one row each. Raises VictimError."""
        found: list[list[float]] = []
        size = self.options.batch
        for start in range(0, len(texts), size):
            found += self._batch(texts[start : start + size])
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()  # an engine drops models it no longer holds; their sockets go with them

    def _batch(self, texts: list[str]) -> list[list[float]]:
        answer = self._post(texts, self.options.retries)
        if self.named and "labels" in answer and answer["labels"] != self.labels:
            raise VictimError(f"{self.url}: the labels changed from {self.labels} to {answer['labels']}")
        return _rows(answer, len(texts), self.url)

    def _post(self, texts: list[str], retries: int) -> dict[str, Any]:
        body = json.dumps({"texts": texts}).encode("ascii")  # lone surrogates are escaped, not refused
        reason = ""
        for attempt in range(retries + 1):
            if attempt:
                self.retried += 1
            self._wait()
            asked = self._exchange(body)
            if isinstance(asked, bytes):
                self.requests += 1
                return _object(asked, self.url)
            reason, pause = asked
            if attempt < retries:
                self._sleep(max(pause, self.options.backoff * 2**attempt))
        after = f" after {retries + 1} tries" if retries else ""
        raise VictimError(f"{self.url} does not answer{after}: {reason}", f"{self.requests} requests were answered")

    def _wait(self) -> None:
        """Until the rate allows another request."""
        if not self.options.rate:
            return
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + 1 / self.options.rate

    def _exchange(self, body: bytes) -> bytes | tuple[str, float]:
        """One request: the answer's body, or why it must be made again and the pause the server asks for."""
        secure, host, port, path = self._address
        try:
            if self._connection is None:
                kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
                self._connection = kind(host, port, timeout=self.options.timeout)
            self._connection.request("POST", path, body, _headers())
            response = self._connection.getresponse()
            content = response.read(_LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:  # TimeoutError is an OSError
            self.close()
            return _reason(error, self.options.timeout), 0.0
        except ValueError as error:  # a header or an address that http.client refuses to send
            self.close()
            raise InputError(f"{self.url}: {error}") from None
        if response.will_close or len(content) > _LARGEST:
            self.close()
        if len(content) > _LARGEST:
            raise VictimError(f"{self.url}: the answer is larger than {_LARGEST >> 20} MiB")
        if response.status == 200:
            return content
        told = f"{response.status} {response.reason}".strip()
        if response.status in _AGAIN:
            return told, _retry_after(response.headers.get("Retry-After", ""))
        raise VictimError(f"{self.url} answered {told}", _hint(response))


def _address(url: str) -> tuple[bool, str, int | None, str]:
    """``(secure, host, port, path)``. Raises InputError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"{url}: {error}") from None
    if not parts.hostname:
        raise InputError(f"{url}: no host", "expected http://HOST:PORT/PATH")
    if parts.username is not None:
        # The address is kept with every result; a password must not be.
        raise InputError("an address with a user name in it is not accepted", f"put a token in {TOKEN}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme == "https", parts.hostname, port, path


def _headers() -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    token = os.environ.get(TOKEN, "")
    return headers | ({"Authorization": f"Bearer {token}"} if token else {})


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {timeout:g} s"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"not an HTTP answer ({type(error).__name__})"


def _retry_after(value: str) -> float:
    with contextlib.suppress(ValueError):  # a date instead of seconds: our own pause then
        seconds = float(value)
        return min(max(seconds, 0.0), _PATIENCE) if math.isfinite(seconds) else 0.0
    return 0.0


def _hint(response: http.client.HTTPResponse) -> str:
    if 300 <= response.status < 400:
        return f"it is at {response.headers.get('Location', 'another address')}; name that one"
    if response.status in (401, 403):
        return f"set {TOKEN} to a token it accepts"
    if response.status == 413:
        return "make the batches smaller: --http-batch"
    return 'it must take POST {"texts": [...]}'


def _object(content: bytes, url: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise VictimError(
            f"{url}: the answer is not a JSON object", 'it must answer {"probabilities": [[...]], "labels": [...]}'
        ) from None


def _rows(answer: dict[str, Any], rows: int, url: str) -> list[list[float]]:
    try:
        found = msgspec.convert(answer.get("probabilities"), list[list[float]])
    except msgspec.ValidationError:
        raise VictimError(f"{url}: probabilities is not a list of lists of numbers", "one row for each text") from None
    if len(found) != rows or len({len(row) for row in found}) != 1 or len(found[0]) < 2:
        sizes = sorted({len(row) for row in found})
        raise VictimError(
            f"{url}: {rows} texts, but probabilities has {len(found)} rows of {sizes} numbers",
            "one row for each text, one number for each of at least two classes",
        )
    return found


def _labels(answer: dict[str, Any], classes: int, url: str) -> list[str]:
    try:
        labels = msgspec.convert(answer["labels"], list[str])
    except msgspec.ValidationError:
        raise VictimError(f"{url}: labels is not a list of texts") from None
    if len(labels) != classes or len(set(labels)) != classes:
        raise VictimError(f"{url}: {classes} probabilities a text, but the labels are {labels}")
    return labels
