"""Where a peer reads a message otherwise than the RFC, so that the difference is its fault.

An entry is a name, a test of the case, what is compared, our value and theirs, and where the RFC says so. An entry that no
difference needs any more fails the suite, so that the table stays true.
"""

HCOLON = "RFC 3261 25.1: HCOLON = *( SP / HTAB ) \":\" SWS"
FOLDING = "RFC 3261 7.3.1: a header field value may extend over several lines"
LINE_ENDS = "RFC 3261 7: each line ends in CRLF"
ONCE = "RFC 3261 7.3.1: a parameter name must not appear more than once"

# The header field that each compared value comes from.
FIELDS = {
    "call-id": "Call-ID", "cseq": "CSeq", "cseq method": "CSeq", "from uri": "From", "from tag": "From", "to uri": "To",
    "to tag": "To", "max-forwards": "Max-Forwards", "content-length": "Content-Length", "content-type": "Content-Type",
    "contacts": "Contact", "via branch": "Via", "via transport": "Via", "via host": "Via", "via port": "Via",
    "via received": "Via",
}


def has(case, trait, what):
    return f"{trait} {FIELDS.get(what)}" in case.traits


def is_less(ours, theirs):
    """Do they see nothing, or only some of the values?"""
    if theirs is None or theirs == []:
        return True
    return isinstance(ours, list) and isinstance(theirs, list) and len(theirs) < len(ours)


def without_brackets(values):
    return [value.strip("[]") for value in values] if isinstance(values, list) else values


TSHARK_DIFFERS = [
    (
        "a header field with white space before its colon is not seen",
        lambda case, what, ours, theirs: has(case, "space-before-colon", what) and is_less(ours, theirs),
        HCOLON,
    ),
    (
        "a folded value is not read, or with its line end",
        lambda case, what, ours, theirs: has(case, "folded", what)
        and (is_less(ours, theirs) or without_brackets(ours) == without_brackets([value.strip() for value in theirs])),
        FOLDING,
    ),
    (
        "an IPv6 address is shown without its brackets",
        lambda case, what, ours, theirs: what in ("via host", "ruri host") and "ipv6" in case.traits
        and without_brackets(ours) == without_brackets(theirs),
        "RFC 3261 25.1: host may be an IPv6reference",
    ),
    (
        "a password is taken for a part of the user",
        lambda case, what, ours, theirs: what == "ruri user" and "password" in case.traits and bool(theirs)
        and theirs.startswith(f"{ours}:"),
        "RFC 3261 19.1.1: user:password@host",
    ),
    (
        "a scheme in capitals is not known",
        lambda case, what, ours, theirs: "scheme-case" in case.traits and theirs is None
        and (what.startswith("ruri ") or ours.startswith(("SIP:", "SIPS:"))),
        "RFC 3261 19.1.4: comparison of the scheme is case-insensitive",
    ),
    (
        "white space after a URI without brackets is part of it",
        lambda case, what, ours, theirs: what in ("from uri", "to uri") and "space-round-semicolon" in case.traits
        and theirs == f"{ours} ",
        "RFC 3261 25.1: SEMI = SWS \";\" SWS",
    ),
    (
        "a tel URI without brackets is not seen",
        lambda case, what, ours, theirs: what in ("from uri", "to uri") and ours.startswith("tel:") and theirs is None,
        "RFC 3261 25.1: addr-spec = SIP-URI / SIPS-URI / absoluteURI",
    ),
]

KAMAILIO_DIFFERS = []

KAMAILIO_REFUSES = [
    (
        "a folded CSeq is dropped",
        lambda case, what, ours, theirs: "folded CSeq" in case.traits and theirs is None,
        FOLDING,
    ),
]


def takes(name, section):
    return (f"{name} is taken", lambda case, what, ours, theirs: case.name == name and what == "accepted", section)


KAMAILIO_ACCEPTS = [
    takes("bare-lf", LINE_ENDS),
    takes("bare-cr", LINE_ENDS),
    takes("bare-lf-start", LINE_ENDS),
    takes("nul-in-value", "RFC 3261 25.1: a token has no NUL"),
    takes("cseq-large", "RFC 3261 8.1.1.5: less than 2**31"),
    takes("from-two-tags", ONCE),
    takes("via-branch-twice", ONCE),
    takes("to-escape", "RFC 3261 25.1: escaped = \"%\" HEXDIG HEXDIG"),
    takes("via-port-large", "RFC 3261 25.1: port is that of the transport, which has 16 bits"),
    takes("uri-headers", "RFC 3261 19.1.1: a Request-URI has no headers"),
    takes("max-forwards-text", "RFC 3261 25.1: Max-Forwards = 1*DIGIT"),
    takes("max-forwards-large", "RFC 3261 20.22: in the range 0-255"),
    takes("content-type-slash", "RFC 3261 25.1: m-type SLASH m-subtype"),
    takes("not-utf-8", "RFC 3261 25.1: TEXT-UTF8char"),
]


def any_of(case, trait):
    return any(one.startswith(trait + " ") for one in case.traits)


def both_spellings(case):
    return "compact Via" in case.traits


SIPP_DIFFERS = [
    (
        "a header field with white space before its colon is not seen",
        lambda case, what, ours, theirs: any_of(case, "space-before-colon"),
        HCOLON,
    ),
    (
        "of a folded value the first line is repeated",
        lambda case, what, ours, theirs: any_of(case, "folded"),
        FOLDING,
    ),
    (
        "of Via in two spellings one is repeated",
        lambda case, what, ours, theirs: what == "via" and both_spellings(case) and is_less(ours, theirs),
        "RFC 3261 7.3.3: an implementation must accept both the long and short forms",
    ),
]
