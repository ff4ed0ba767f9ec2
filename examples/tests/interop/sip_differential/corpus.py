"""SIP messages for readers to disagree about: legal ones drawn from the grammar, and hostile ones made of them.

Everything follows from one seed, so that a disagreement can be looked at again.
"""

import random
from dataclasses import dataclass, field

CRLF = "\r\n"


@dataclass
class Case:
    """A message, what it is there for, and which odd but legal things are in it."""

    name: str
    octets: bytes
    legal: bool
    traits: set = field(default_factory=set)


class Draw:
    """One message of the grammar. A trait says which legal oddity was drawn, so that a peer's fault can be told by it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.traits = set()

    def maybe(self, trait, odds=0.12):
        if self.random.random() < odds:
            self.traits.add(trait)
            return True
        return False

    def word(self, low=1, high=8):
        return "".join(self.random.choice("abcdefghijkmnpqrstuvwxyz0123456789") for _ in range(self.random.randint(low, high)))

    def host(self):
        kind = self.random.random()
        if kind < 0.6:
            return "h" + self.word() + ".example.com"
        if kind < 0.85:
            return f"192.0.2.{self.random.randint(1, 254)}"
        self.traits.add("ipv6")
        return f"[2001:db8::{self.random.randint(1, 9999):x}]"

    def user(self):
        user = "u" + self.word()
        if self.maybe("escaped-user"):
            user += "%20" + self.word(1, 3)
        if self.maybe("odd-user", 0.06):
            user += self.random.choice(["&=+$,;?/", "(a)", "'~*"])
        return user

    def uri(self, in_request_line=False):
        scheme = self.random.choice(["sip", "sip", "sip", "sips", "tel"])
        if scheme == "tel":
            self.traits.add("tel")
            return f"tel:+1{self.random.randint(1000000, 9999999)}"
        if self.maybe("scheme-case", 0.05):
            scheme = scheme.upper()
        uri = f"{scheme}:"
        if self.random.random() < 0.9:
            uri += self.user()
            if self.maybe("password", 0.05):
                uri += ":" + self.word()
            uri += "@"
        uri += self.host()
        if self.random.random() < 0.3:
            uri += f":{self.random.randint(1024, 65000)}"
        if self.random.random() < 0.3:
            uri += ";transport=" + self.random.choice(["udp", "tcp"])
        if self.maybe("gruu", 0.08):
            uri += ";gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
        if not in_request_line and self.maybe("uri-headers", 0.06):
            uri += "?Subject=x%20y&Priority=urgent"
        return uri

    def display(self):
        kind = self.random.random()
        if kind < 0.4:
            return ""
        if kind < 0.7:
            return self.word().capitalize() + " "
        text = self.word()
        if self.maybe("quoted-pair"):
            text += '\\"' + self.word() + "\\\\"
        if self.maybe("brackets-in-quotes"):
            text += " <sip:not@this>, "
        if self.maybe("utf-8"):
            text += "\u00e9\u4e16"
        return f'"{text}" '

    def address(self, tag):
        uri = self.uri()
        display = self.display()
        # RFC 8217: what has a comma, a question mark or a semicolon in it needs the brackets.
        needs = any(character in uri for character in ",?;")
        if not display and not needs and self.maybe("no-brackets", 0.3):
            text = uri
        else:
            text = f"{display}<{uri}>"
        if tag:
            text += (" ; " if self.maybe("space-round-semicolon") else ";") + f"tag={tag}"
        return text

    def name(self, long, compact=None):
        name = long
        if compact and self.maybe(f"compact {long}", 0.2):
            name = compact
        if self.maybe("name-case", 0.1):
            name = name.upper() if self.random.random() < 0.5 else name.lower()
        return name

    def line(self, long, value, compact=None):
        colon = ":"
        if self.maybe(f"space-before-colon {long}", 0.06):
            colon = " :"
        space = "" if self.maybe("no-space-after-colon", 0.06) else " "
        if " " in value and '"' not in value and self.maybe(f"folded {long}", 0.05):
            value = value.replace(" ", CRLF + " ", 1)
        return self.name(long, compact) + colon + space + value + CRLF

    def via(self, transport, at=0):
        slash = " / " if self.maybe("space-in-via", 0.06) else "/"
        text = f"SIP{slash}2.0{slash}{transport} {self.host()}"
        if self.random.random() < 0.4:
            text += (" : " if self.maybe("space-round-via-port", 0.08) else ":") + str(self.random.randint(1024, 65000))
        text += f";branch=z9hG4bK{self.word(4, 12)}{at}"
        if at and self.random.random() < 0.5:
            text += ";received=192.0.2.77"
        elif self.random.random() < 0.4:
            text += ";rport"
        return text

    def headers(self, method, seq, call_id, response):
        lines = []
        vias = [self.via("UDP" if at == 0 else self.random.choice(["UDP", "TCP", "TLS"]), at) for at in range(self.random.choice([1, 1, 2, 3]))]
        if len(vias) > 1 and self.maybe("via-list", 0.4):
            lines.append(self.line("Via", ", ".join(vias), "v"))
        else:
            lines.extend(self.line("Via", via, "v") for via in vias)
        lines.append(self.line("From", self.address(self.word(4, 8)), "f"))
        lines.append(self.line("To", self.address(self.word(4, 8) if response else None), "t"))
        lines.append(self.line("Call-ID", call_id, "i"))
        space = "  " if self.maybe("space-in-cseq", 0.08) else " "
        lines.append(self.line("CSeq", f"{seq}{space}{method}"))
        if not response:
            lines.append(self.line("Max-Forwards", str(self.random.randint(1, 255))))
        if self.random.random() < 0.5:
            contacts = [f"<{self.uri()}>;q=0.{self.random.randint(1, 9)}" for _ in range(self.random.choice([1, 1, 2]))]
            lines.append(self.line("Contact", ", ".join(contacts), "m"))
        for long in ("Route", "Record-Route"):
            if self.random.random() < 0.2 and (long == "Record-Route" or not response):
                values = [f"<sip:p{self.word()}.example.com;lr>" for _ in range(self.random.choice([1, 2]))]
                lines.append(self.line(long, ",".join(values)))
        if self.random.random() < 0.2:
            lines.append(self.line("P-Asserted-Identity", f'"A, B" <sip:{self.word()}@example.com>, <tel:+15551234>'))
        if self.random.random() < 0.2:
            lines.append(self.line("Privacy", self.random.choice(["id", "header;id", "none", "user;critical"])))
        if self.random.random() < 0.3:
            lines.append(self.line("X-" + self.word().capitalize(), "a " + self.word() + ', "b;c" <d>'))
        if self.random.random() < 0.3:
            lines.append(self.line("User-Agent", "Agent/1.0 (" + self.word() + ")"))
        if self.maybe("empty-value", 0.06):
            lines.append(self.line("Subject", "", "s"))
        head, rest = lines[:1], lines[1:]
        self.random.shuffle(rest)
        return "".join(head + rest)

    def message(self, at):
        method = self.random.choice(["MESSAGE", "MESSAGE", "INVITE", "OPTIONS", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "REGISTER", "BYE"])
        response = self.random.random() < 0.25
        call_id = self.word(6, 12) + str(at) + "@" + self.word() + ".example.com"
        if self.maybe("odd-call-id", 0.06):
            call_id = f"a%!*_+`'~()<>:\\\"/[]?{{}}{at}@{self.word()}"
        seq = self.random.randint(0, 2**31 - 1)
        if response:
            code = self.random.choice([100, 180, 200, 202, 302, 404, 480, 486, 500, 603, 699])
            reason = self.random.choice(["OK", "", "Not quite / so \u00e9", "A B  C"])
            start = f"SIP/2.0 {code} {reason}{CRLF}"
        else:
            start = f"{method} {self.uri(True)} SIP/2.0{CRLF}"
        head = self.headers(method, seq, call_id, response)
        body = b""
        if self.random.random() < 0.7:
            body = self.random.choice([b"Hi", "\u00e9\u4e16\u754c".encode(), bytes(range(256)), b"\r\n\r\n", b"a" * 500])
        content = ""
        if body:
            content = self.line("Content-Type", self.random.choice(["text/plain", "text/plain;charset=utf-8", 'message/cpim;x="a;b"', "application/octet-stream"]), "c")
        length = ""
        if not self.maybe("no-content-length", 0.08):
            zeros = "00" if self.maybe("zeros-in-length", 0.06) else ""
            length = self.line("Content-Length", zeros + str(len(body)), "l")
        octets = (start + head + content + length + CRLF).encode() + body
        return Case(f"legal-{at}", octets, True, self.traits)


def legal(count, seed):
    return [Draw(f"{seed}-{at}").message(at) for at in range(count)]


BASE = (
    "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKh{at};rport\r\n"
    "From: <sip:alice@example.com>;tag=a{at}\r\nTo: <sip:bob@example.com>\r\nCall-ID: hostile{at}@example.com\r\n"
    "CSeq: 7 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nHi"
)

# What is done to the message above: a name, what is replaced, and by what. The first pairs of each kind of trouble are from
# RFC 4475, from the advisories on SIP servers, and from differences between readers that were used to smuggle requests.
HOSTILE = [
    ("length-plus", "Content-Length: 2", "Content-Length: +2"),
    ("length-minus", "Content-Length: 2", "Content-Length: -2"),
    ("length-text", "Content-Length: 2", "Content-Length: 2x"),
    ("length-empty", "Content-Length: 2", "Content-Length:"),
    ("length-hex", "Content-Length: 2", "Content-Length: 0x2"),
    ("length-too-long", "Content-Length: 2", "Content-Length: 3"),
    ("length-wraps-32", "Content-Length: 2", "Content-Length: 4294967298"),
    ("length-wraps-64", "Content-Length: 2", "Content-Length: 18446744073709551618"),
    ("length-int-max", "Content-Length: 2", "Content-Length: 2147483647"),
    ("two-lengths", "Content-Length: 2", "Content-Length: 2\r\nl: 1"),
    ("length-list", "Content-Length: 2", "Content-Length: 2, 2"),
    ("bare-lf", "Max-Forwards: 70\r\n", "Max-Forwards: 70\nX: y\r\n"),
    ("bare-cr", "Max-Forwards: 70\r\n", "Max-Forwards: 70\rX: y\r\n"),
    ("bare-lf-start", "SIP/2.0\r\nVia", "SIP/2.0\nVia"),
    ("nul-in-value", "tag=a", "tag=\0a"),
    ("nul-in-name", "Max-Forwards", "Max\0-Forwards"),
    ("no-colon", "Max-Forwards: 70", "Max-Forwards 70"),
    ("no-name", "Max-Forwards: 70", ": 70"),
    ("space-in-name", "Max-Forwards: 70", "Max Forwards: 70"),
    ("fold-first", "Via: ", " folded\r\nVia: "),
    ("two-from", "Max-Forwards: 70", "f: <sip:eve@example.com>;tag=e"),
    ("two-to", "Max-Forwards: 70", "t: <sip:eve@example.com>"),
    ("two-call-ids", "Max-Forwards: 70", "i: other"),
    ("two-cseqs", "Max-Forwards: 70", "CSeq: 8 MESSAGE"),
    ("no-from", "From: ", "X-From: "),
    ("no-to", "To: ", "X-To: "),
    ("no-call-id", "Call-ID: ", "X-Call-ID: "),
    ("no-cseq", "CSeq: ", "X-CSeq: "),
    ("cseq-method", "7 MESSAGE", "7 INVITE"),
    ("cseq-large", "7 MESSAGE", "4294967296 MESSAGE"),
    ("cseq-minus", "7 MESSAGE", "-7 MESSAGE"),
    ("cseq-no-method", "7 MESSAGE", "7"),
    ("cseq-no-number", "7 MESSAGE", "MESSAGE"),
    ("from-no-uri", "<sip:alice@example.com>", "<>"),
    ("from-slash", "<sip:alice@example.com>", "</>"),
    ("from-open", "<sip:alice@example.com>", "<sip:alice@example.com"),
    ("from-open-quote", "<sip:alice@example.com>", '"Alice <sip:alice@example.com>'),
    ("from-backslash", "<sip:alice@example.com>", '"Alice\\" <sip:alice@example.com>'),
    ("from-two-tags", ";tag=a", ";tag=b;tag=a"),
    ("to-port-large", "<sip:bob@example.com>", "<sip:bob@example.com:99999>"),
    ("to-escape", "<sip:bob@example.com>", "<sip:bob%2@example.com>"),
    ("via-no-version", "SIP/2.0/UDP 192", "SIP/UDP 192"),
    ("via-no-host", "UDP 192.0.2.1;", "UDP ;"),
    ("via-port-large", "192.0.2.1;", "192.0.2.1:70000;"),
    ("via-port-text", "192.0.2.1;", "192.0.2.1:port;"),
    ("via-branch-twice", ";rport", ";branch=x;rport"),
    ("version-3", "SIP/2.0\r\n", "SIP/3.0\r\n"),
    ("version-name", "SIP/2.0\r\n", "SOP/2.0\r\n"),
    ("no-version", " SIP/2.0\r\nVia", "\r\nVia"),
    ("uri-space", "sip:bob@example.com SIP", "sip:bob @example.com SIP"),
    ("uri-brackets", "sip:bob@example.com SIP", "<sip:bob@example.com> SIP"),
    ("uri-no-scheme", "sip:bob@example.com SIP", "bob@example.com SIP"),
    ("uri-headers", "sip:bob@example.com SIP", "sip:bob@example.com?To=x SIP"),
    ("uri-no-host", "sip:bob@example.com SIP", "sip:bob@ SIP"),
    ("uri-two-ats", "sip:bob@example.com SIP", "sip:bob@eve@example.com SIP"),
    ("method-slash", "MESSAGE sip", "MESS/GE sip"),
    ("two-spaces", "MESSAGE sip", "MESSAGE  sip"),
    ("max-forwards-text", "Max-Forwards: 70", "Max-Forwards: many"),
    ("max-forwards-large", "Max-Forwards: 70", "Max-Forwards: 256"),
    ("content-type-slash", "text/plain", "text"),
    ("not-utf-8", "Max-Forwards: 70", "X: \xff\xfe"),
    ("no-end", "Content-Length: 2\r\n\r\nHi", "Content-Length: 2\r\n"),
]


def hostile():
    cases = []
    for at, (name, old, new) in enumerate(HOSTILE):
        text = BASE.format(at=at)
        assert old in text, name
        text = text.replace(old, new, 1)
        # One octet a character below 256, so that octets that are not UTF-8 can be written.
        cases.append(Case(name, text.encode("latin-1"), False))
    return cases
