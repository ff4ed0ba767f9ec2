"""Processes whose lines of output are waited for, shared by the suites in Python; and im-server and im-client as such."""
import json
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER = pathlib.Path(sys.argv[1]).resolve()
CLIENT = SERVER.parent / "im-client"
WORK = pathlib.Path(tempfile.mkdtemp())
USERS = {"alice": "wonderland", "bob": "builder", "carol": "christmas"}
processes = []
results = []


class Process:
    """A process whose lines of output are waited for."""

    def __init__(self, name, command, **options):
        self.name = name
        self.lines = []
        self.queue = queue.Queue()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            cwd=WORK,
            **options,
        )
        processes.append(self)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self.queue.put(line.rstrip("\n"))

    def wait(self, wanted, seconds=20):
        """The next line for which `wanted` is true; fails if none comes in time."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                line = self.queue.get(timeout=max(left, 0.01))
            except queue.Empty:
                raise AssertionError(f"{self.name} did not say it; it said: " + " / ".join(self.lines[-12:])) from None
            if wanted(line):
                return line

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class ImClient(Process):
    """Our own client, registered unless told otherwise."""

    def __init__(self, user, server, transport="udp", register=True):
        command = [CLIENT, "--user", f"sip:{user}@example.com", "--password", USERS[user], "--server", server]
        super().__init__(f"im-client {user}", command + ["--transport", transport, "--json"])
        if register:
            self.tell("register")
            self.event("registered")

    def tell(self, do, **keys):
        self.say(json.dumps({"do": do, **keys}))

    def leave(self):
        """Ends politely, which takes back what is published and registered."""
        self.tell("quit")
        self.event("unregistered")
        self.process.wait(10)

    def event(self, name, seconds=20, **keys):
        def wanted(line):
            if not line.startswith("{"):
                return False
            event = json.loads(line)
            return event.get("event") == name and all(event.get(key) == value for key, value in keys.items())

        return json.loads(self.wait(wanted, seconds))


def start_server(more="", name="server"):
    """Starts im-server for all users; gives the process and where it listens."""
    (WORK / f"{name}.toml").write_text(
        'domain = "example.com"\n[listen]\nsip_udp = "127.0.0.1:0"\nsip_tcp = "127.0.0.1:0"\n'
        'msrp_tcp = "127.0.0.1:0"\nxcap_http = "127.0.0.1:0"\n'
        f'[store]\npath = "{WORK}/{name}.db"\n'
        + "".join(f'[[users]]\nuri = "sip:{user}@example.com"\npassword = "{word}"\n' for user, word in USERS.items())
        + more
    )
    return run_server(name)


def run_server(name="server"):
    server = Process("im-server", [SERVER, "--config", WORK / f"{name}.toml"])
    ready = json.loads(server.wait(lambda line: line.startswith('{"ready"')))
    return server, ready["ready"]


def check(name, test):
    try:
        test()
    except Exception as error:  # whatever goes wrong is what the suite tells
        results.append(False)
        print(f"FAILED  {name}: {error}", flush=True)
    else:
        results.append(True)
        print(f"ok      {name}", flush=True)


def ended_politely(server):
    status = server.process.wait(20)
    assert status == 0, f"the server ended with {status}"


def finish():
    """Ends all that was started; the suite's exit status."""
    for process in processes:
        process.end()
    shutil.rmtree(WORK, ignore_errors=True)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1
