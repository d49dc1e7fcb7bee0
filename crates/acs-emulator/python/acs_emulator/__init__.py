"""Starts the program ``acs-emulator``, a local emulator of Azure Communication Services."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import urllib.error
import urllib.request
from typing import Any

__all__ = ["Emulator", "program", "start"]

#: The host that the official SDK downloads content from.
_CONTENT_HOST = "eu-storage.asm.skype.com"
_FREE_PORTS = ("--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0")


def program() -> str:
    """The path of the program."""
    name = "acs-emulator" + (sysconfig.get_config_var("EXE") or "")
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]
    if hasattr(sysconfig, "get_preferred_scheme"):
        folders.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is neither in {' nor in '.join(folders)}")
    return found


def start(*options: str) -> Emulator:
    """Starts an emulator at free ports. ``options`` are those of the program."""
    return Emulator(options)


class Emulator:
    """A running emulator. Use it in a ``with`` statement, or call :meth:`stop`."""

    def __init__(self, options: tuple[str, ...] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="acs-emulator-")
        #: The file of the CA certificate, for ``connection_verify``.
        self.ca_file = os.path.join(self._folder.name, "ca.pem")
        arguments = ["--random-keys", "--official-sdks", "--ca-out", self.ca_file]
        for option, address in zip(_FREE_PORTS[::2], _FREE_PORTS[1::2]):
            if not any(given.split("=")[0] == option for given in options):
                arguments += [option, address]
        self._process = subprocess.Popen(
            [program(), *arguments, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={"RUST_LOG": "warn", **os.environ},
        )
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._folder.cleanup()
            raise RuntimeError(f"acs-emulator exited with code {code}; its log has the reason")
        #: The addresses and connection strings that the program has printed.
        self.ready: dict[str, Any] = json.loads(line)

    @property
    def connection_string(self) -> str:
        """The connection string, with an HTTPS endpoint."""
        return self.ready["https_connection_string"]

    def admin(self, path: str, body: Any = None) -> Any:
        """Sends a request to the admin interface: ``POST`` if there is a body, otherwise ``GET``."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.ready['admin']}/{path}", data, {"Content-Type": "application/json"}
        )
        # A proxy cannot reach this machine's loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
            raise RuntimeError(f"{path}: status {error.code}: {reason}") from None
        return json.loads(text) if text else None

    def state(self) -> Any:
        """The calls, recordings and subscriptions."""
        return self.admin("state")

    def advance(self, seconds: float) -> Any:
        """Moves the clock of the service."""
        return self.admin("clock:advance", {"ms": round(seconds * 1000)})

    def ring(self, caller: str) -> Any:
        """Calls the application, and returns what the event ``IncomingCall`` contains."""
        return self.admin("calls:ring", {"caller": caller})

    def subscribe(self, url: str, *events: str, schema: str = "event-grid") -> Any:
        """Subscribes a webhook to Event Grid events: to these types, or to all."""
        body: dict[str, Any] = {"url": url, "schema": schema}
        if events:
            body["events"] = list(events)
        return self.admin("subscriptions", body)

    def environment(self) -> dict[str, str]:
        """The variables that clients in this process and its children need."""
        return {
            "ACS_CONNECTION_STRING": self.connection_string,
            "COMMUNICATION_SERVICES_CONNECTION_STRING": self.connection_string,
            "COMMUNICATION_SAMPLES_CONNECTION_STRING": self.connection_string,
            "ACS_EMULATOR_ADMIN": self.ready["admin"],
            "ACS_EMULATOR_CA_FILE": self.ca_file,
            "REQUESTS_CA_BUNDLE": self._bundle(),
        }

    def _bundle(self) -> str:
        """The authorities that are trusted anyway, and the emulator's."""
        path = os.path.join(self._folder.name, "ca-bundle.pem")
        if not os.path.exists(path):
            with open(self.ca_file) as ca:
                parts = [ca.read()]
            for known in (os.environ.get("REQUESTS_CA_BUNDLE"), _certifi()):
                if known and os.path.isfile(known):
                    with open(known) as file:
                        parts.append(file.read())
                    break
            with open(path, "w") as bundle:
                bundle.write("\n".join(parts))
        return path

    def stop(self) -> None:
        """Stops the emulator."""
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _certifi() -> str | None:
    """The authorities of the library requests."""
    try:
        import certifi
    except ImportError:
        return None
    return certifi.where()


class ContentHost:
    """While it is entered, this process resolves the host of content to loopback."""

    _lock = threading.Lock()
    _entered = 0
    _original = staticmethod(socket.getaddrinfo)

    def __enter__(self) -> ContentHost:
        with ContentHost._lock:
            ContentHost._entered += 1
            if ContentHost._entered == 1:
                ContentHost._original = staticmethod(socket.getaddrinfo)
                socket.getaddrinfo = _resolve
        return self

    def __exit__(self, *_: object) -> None:
        with ContentHost._lock:
            ContentHost._entered -= 1
            if ContentHost._entered == 0:
                socket.getaddrinfo = ContentHost._original


def _resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
    name = "127.0.0.1" if host in (_CONTENT_HOST, _CONTENT_HOST.encode()) else host
    return ContentHost._original(name, *args, **kwargs)
