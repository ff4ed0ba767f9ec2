"""Compares what im-inspect, tshark, kamailio and sipp make of the same messages.

Usage: compare.py IM_INSPECT PEER WORK_FOLDER [PORT]
Prints what differs and is not in the table of known faults of the peers, and fails if there is anything.
"""

import base64
import json
import socket
import struct
import subprocess
import sys

from corpus import hostile, legal
from faults import KAMAILIO_ACCEPTS, KAMAILIO_DIFFERS, KAMAILIO_REFUSES, SIPP_DIFFERS, TSHARK_DIFFERS

SEED = "1"
COUNT = 400


def inspect(binary, cases):
    queries = [
        json.dumps({"id": case.name, "kind": "sip", "data": base64.b64encode(case.octets).decode()}) for case in cases
    ]
    done = subprocess.run([binary, "batch"], input="\n".join(queries) + "\n", capture_output=True, text=True, check=True)
    return {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}


class Report:
    """Collects differences; those that the table explains are counted, the others are failures."""

    def __init__(self, table):
        self.table, self.known, self.unknown, self.compared = table, {}, [], 0

    def check(self, case, what, ours, theirs):
        self.compared += 1
        if ours == theirs:
            return
        for name, explains, _ in self.table:
            if explains(case, what, ours, theirs):
                self.known[name] = self.known.get(name, 0) + 1
                return
        self.unknown.append(f"{case.name} {sorted(case.traits)} {what}: ours {ours!r}, theirs {theirs!r}")

    def end(self, peer):
        for line in self.unknown[:40]:
            print(line)
        stale = [name for name, _, _ in self.table if name not in self.known]
        for name in stale:
            print(f"the table says {name}, and {peer} does no such thing any more")
        print(f"{peer}: {self.compared} values compared, {sum(self.known.values())} known differences, {len(self.unknown)} new ones")
        if self.unknown or stale or not self.compared:
            sys.exit(1)


# --- what we read, in the words of the peers


def without_uri_parts(uri):
    """user, host and port of a sip URI as it was written."""
    rest = uri.split(":", 1)[1]
    rest = rest.split("?", 1)[0] if "@" not in rest else rest
    user = None
    if "@" in rest:
        user, rest = rest.split("@", 1)
        user = user.split(":", 1)[0]
    rest = rest.split("?", 1)[0].split(";", 1)[0]
    if rest.startswith("["):
        host, _, port = rest.partition("]")
        return user, host + "]", port.lstrip(":") or None
    host, _, port = rest.partition(":")
    return user, host, port or None


def is_sip(uri):
    return uri.lower().startswith(("sip:", "sips:"))


# --- tshark


TSHARK_FIELDS = [
    "frame.number", "sip.Method", "sip.r-uri", "sip.r-uri.user", "sip.r-uri.host", "sip.r-uri.port", "sip.Status-Code",
    "sip.Call-ID", "sip.CSeq.seq", "sip.CSeq.method", "sip.from.addr", "sip.from.tag", "sip.to.addr", "sip.to.tag",
    "sip.Max-Forwards", "sip.Content-Length", "sip.Content-Type", "sip.contact.uri", "sip.Via.branch",
    "sip.Via.transport", "sip.Via.sent-by.address", "sip.Via.sent-by.port", "sip.Via.received",
]


def write_capture(path, cases):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
        for at, case in enumerate(cases):
            udp = struct.pack("!HHHH", 5060, 5060, 8 + len(case.octets), 0) + case.octets
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), at & 0xFFFF, 0, 64, 17, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
            packet = ip + udp
            out.write(struct.pack("<IIII", at, 0, len(packet), len(packet)) + packet)


def tshark(binary, folder):
    cases = legal(COUNT, SEED)
    capture = f"{folder}/corpus.pcap"
    write_capture(capture, cases)
    command = ["tshark", "-r", capture, "-T", "json", "-n"]
    for name in TSHARK_FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, check=True)
    packets = [packet["_source"]["layers"] for packet in json.loads(done.stdout.decode("utf-8", "replace"))]
    answers = inspect(binary, cases)
    report = Report(TSHARK_DIFFERS)
    assert len(packets) == len(cases)
    for case, packet in zip(cases, packets):
        answer = answers[case.name]
        report.check(case, "accepted", answer["ok"], True)
        report.check(case, "refused", answer["refused"], [])
        if not answer["ok"]:
            continue
        value = answer["value"]

        def theirs(name):
            return packet.get(name, [])

        def one(what, ours, name):
            found = theirs(name)
            report.check(case, what, None if ours is None else str(ours), found[0] if found else None)

        one("method", value.get("method"), "sip.Method")
        one("status", value.get("status"), "sip.Status-Code")
        one("ruri", value.get("ruri"), "sip.r-uri")
        if value.get("ruri") and is_sip(value["ruri"]):
            user, host, port = without_uri_parts(value["ruri"])
            one("ruri user", user, "sip.r-uri.user")
            one("ruri host", host, "sip.r-uri.host")
            one("ruri port", port, "sip.r-uri.port")
        one("call-id", value["call_id"], "sip.Call-ID")
        one("cseq", value["cseq"], "sip.CSeq.seq")
        one("cseq method", value["cseq_method"], "sip.CSeq.method")
        for side in ("from", "to"):
            one(side + " uri", value[side]["uri"], f"sip.{side}.addr")
            one(side + " tag", value[side]["tag"], f"sip.{side}.tag")
        one("max-forwards", value["max_forwards"], "sip.Max-Forwards")
        one("content-length", value["content_length"], "sip.Content-Length")
        one("content-type", value["content_type"], "sip.Content-Type")
        report.check(case, "contacts", [contact["uri"] for contact in value["contacts"]], theirs("sip.contact.uri"))
        vias = value["via"]
        report.check(case, "via branch", [via["branch"] for via in vias], theirs("sip.Via.branch"))
        report.check(case, "via transport", [via["transport"] for via in vias], theirs("sip.Via.transport"))
        report.check(case, "via host", [via["host"] for via in vias], theirs("sip.Via.sent-by.address"))
        report.check(case, "via port", [str(via["port"]) for via in vias if via["port"]], theirs("sip.Via.sent-by.port"))
        report.check(case, "via received", [via["received"] for via in vias if via["received"]], theirs("sip.Via.received"))
    report.end("tshark")


# --- peers that answer


class Wire:
    """Sends a datagram and takes the answer to it, or none in time."""

    def __init__(self, port, seconds):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(seconds)
        self.peer = ("127.0.0.1", port)

    def ask(self, octets):
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(65535)
        except BlockingIOError:
            pass
        self.socket.settimeout(self.timeout)
        self.socket.sendto(octets, self.peer)
        try:
            while True:
                answer = self.socket.recv(65535)
                if answer.startswith(b"SIP/2.0 1"):
                    continue
                return answer
        except TimeoutError:
            return None


def fields(answer):
    head = answer.decode("utf-8", "replace").split("\r\n\r\n", 1)[0]
    lines = head.split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def kamailio(binary, folder, port):
    wire = Wire(port, 0.3)
    wire.timeout = 0.3
    cases = [case for case in legal(COUNT, SEED) if not case.octets.startswith(b"SIP/2.0 ")]
    answers = inspect(binary, cases)
    report = Report(KAMAILIO_DIFFERS + KAMAILIO_REFUSES)
    for case in cases:
        value = answers[case.name]["value"]
        answer = wire.ask(case.octets)
        got = answer.decode("latin-1").split("\r\n", 1)[0].split(" ", 2)[1] if answer else None
        report.check(case, "accepted", "299", got)
        if got != "299":
            continue
        echo = fields(answer)

        def one(what, ours, name):
            theirs = echo.get(name)
            theirs = None if theirs in ("<null>", "") else theirs
            report.check(case, what, None if ours is None else str(ours), theirs)

        one("method", value["method"], "x-method")
        one("ruri", value["ruri"], "x-ruri")
        one("call-id", value["call_id"], "x-call-id")
        one("cseq", value["cseq"], "x-cseq")
        one("from uri", value["from"]["uri"], "x-from")
        one("from tag", value["from"]["tag"], "x-from-tag")
        one("to uri", value["to"]["uri"], "x-to")
        one("max-forwards", value["max_forwards"], "x-max-forwards")
        one("content-type", value["content_type"], "x-content-type")
        if is_sip(value["ruri"]):
            user, host, _ = without_uri_parts(value["ruri"])
            one("ruri user", user, "x-ruri-user")
            one("ruri host", host, "x-ruri-host")
    report.end("kamailio on legal messages")
    hostile_verdicts(binary, wire)


def hostile_verdicts(binary, wire):
    cases = hostile()
    answers = inspect(binary, cases)
    report = Report(KAMAILIO_ACCEPTS)
    for case in cases:
        report.check(case, "we refuse", answers[case.name]["ok"], False)
        answer = wire.ask(case.octets)
        report.check(case, "accepted", False, bool(answer) and answer.startswith(b"SIP/2.0 299"))
    report.end("kamailio on hostile messages")


def sipp(binary, folder, port):
    wire = Wire(port, 1.0)
    wire.timeout = 1.0
    cases = [case for case in legal(COUNT, SEED) if case.octets.startswith(b"MESSAGE ")]
    answers = inspect(binary, cases)
    report = Report(SIPP_DIFFERS)
    for case in cases:
        asked = answers[case.name]["value"]
        answer = wire.ask(case.octets)
        report.check(case, "answered", True, answer is not None)
        if answer is None:
            continue
        case.octets = answer
        read = inspect(binary, [case])[case.name]
        report.check(case, "its answer is legal", True, read["ok"])
        if not read["ok"]:
            continue
        said = read["value"]
        for what in ("call_id", "cseq", "cseq_method", "from", "via"):
            report.check(case, what, asked[what], said[what])
        report.check(case, "to uri", asked["to"]["uri"], said["to"]["uri"])
    report.end("sipp")


if __name__ == "__main__":
    peer = {"tshark": tshark, "kamailio": kamailio, "sipp": sipp}[sys.argv[2]]
    peer(sys.argv[1], sys.argv[3], *[int(port) for port in sys.argv[4:] if port])
