"""Programs that others wrote, started and stopped for comparison. Only the loopback address is ever used."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

START_SECONDS = 60
STOP_SECONDS = 60


def program(*names: str) -> str:
    """Give the path of a program, by the first name that is installed; else say so and give an empty string."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if found:
            return found
    print(f"({names[0]} is not installed: left out)", flush=True)
    return ""


class Orthanc:
    """An Orthanc of our own with its shipped settings, on the loopback address, without plug-ins or DIMSE.

    Parameters
    ----------
    executable
        Of the server.
    folder
        For its storage and index.
    """

    def __init__(self, executable: str, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        folder.mkdir(parents=True)
        settings = {
            "Name": "benchmark",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomServerEnabled": False,
            "TcpNoDelay": True,
            "KeepAlive": True,
            "SyncStorageArea": True,  # as shipped: each file is flushed to the disk
            "Plugins": [],
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [executable, str(folder / "orthanc.json")], stdout=self._log, stderr=self._log
        )

    def __enter__(self) -> Orthanc:
        give_up = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            try:
                self.get("/system")
                return self
            except OSError:
                time.sleep(0.1)
        self._stop()
        raise SystemExit(f"Orthanc did not start: {(self._folder / 'log').read_text(errors='replace')[-500:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        """Give the process number of the server."""
        return self._process.pid

    def get(self, path: str) -> object:
        """Ask its REST interface."""
        connection = self._connection()
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ingest(self, files: Sequence[Path], connections: int = 2) -> int:
        """POST files to ``/instances`` over some lasting connections; give how many it took."""
        queue: SimpleQueue[Path] = SimpleQueue()
        for file in files:
            queue.put(file)
        taken = [0] * connections
        threads = [threading.Thread(target=self._send, args=(queue, taken, n)) for n in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(taken)

    def _send(self, queue: SimpleQueue[Path], taken: list[int], number: int) -> None:
        connection = self._connection()
        while True:
            try:
                file = queue.get_nowait()
            except Empty:
                connection.close()
                return
            try:
                taken[number] += self._post(connection, file)
            except (ConnectionError, http.client.HTTPException):  # the server lets idle connections go after a second
                connection.close()
                connection = self._connection()
                taken[number] += self._post(connection, file)

    @staticmethod
    def _post(connection: http.client.HTTPConnection, file: Path) -> bool:
        connection.request("POST", "/instances", file.read_bytes(), {"Content-Type": "application/dicom"})
        answer = json.loads(connection.getresponse().read())
        return isinstance(answer, dict) and answer.get("Status") in ("Success", "AlreadyStored")

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def dicomdir(executable: str, files: Sequence[Path], folder: Path) -> float:
    """Index files by ``dcmmkdir`` into a DICOMDIR; seconds. File names have to be short there: links do it."""
    media = folder / "media"
    for number, file in enumerate(files):
        link = media / f"P{number // 10000:03d}" / f"S{number // 100 % 100:03d}" / f"I{number % 100:05d}"
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, link)
    start = time.perf_counter()
    command = [executable, "+r", "+I", "-W", "-Nxc", "+D", str(folder / "DICOMDIR"), "+id", str(media)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    shutil.rmtree(media)
    if done.returncode:
        raise SystemExit(f"dcmmkdir failed: {done.stderr[-500:]}")
    return seconds


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
