//! What a message may cost.

/// The size of what is read. More is refused before it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of start line and header fields with their line ends. Default 65,536.
    pub head_octets: usize,
    /// Header field lines of a message, all names together. Default 256.
    pub header_lines: usize,
    /// Octets of a body. Default 1,048,576.
    pub body_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_octets: 65_536,
            header_lines: 256,
            body_octets: 1_048_576,
        }
    }
}
