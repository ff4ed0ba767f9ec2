//! What is taken from the wire, and how strictly.

/// What a [`Decoder`](super::Decoder) takes at the most.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a start line and headers together (default 8 KiB).
    pub head_octets: usize,
    /// Headers of one message (default 64).
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_octets: 8 * 1024,
            headers: 64,
        }
    }
}

/// What a [`Decoder`](super::Decoder) takes although RFC 4975 section 9 does not allow it. Nothing of it is ever sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a leniency of its own")]
pub struct Leniency {
    /// Empty lines between messages, which some clients send to keep a NAT's binding (default yes).
    pub blank_lines: bool,
    /// A header whose colon no space follows, or more than one (default yes).
    pub header_space: bool,
    /// A method with digits or `_`, such as the `FILE_OFFSET` of the AG Projects client (default yes).
    pub method_characters: bool,
    /// Path headers elsewhere than in front (default yes).
    pub path_order: bool,
    /// A REPORT whose range ends behind the total, as the AG Projects client sends it for text that is not ASCII, since
    /// it counts characters (default yes). Without it such a REPORT is ignored.
    pub report_range: bool,
}

impl Leniency {
    /// Nothing beyond the grammar.
    pub const STRICT: Self = Self {
        blank_lines: false,
        header_space: false,
        method_characters: false,
        path_order: false,
        report_range: false,
    };
}

impl Default for Leniency {
    fn default() -> Self {
        Self {
            blank_lines: true,
            header_space: true,
            method_characters: true,
            path_order: true,
            report_range: true,
        }
    }
}
