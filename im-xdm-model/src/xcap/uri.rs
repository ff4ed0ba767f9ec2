//! XCAP URIs: the root, the document selector, and the node selector behind `~~` (RFC 4825 section 6).

use std::fmt;

use super::selector::{self, NodeSelector, SelectorError, Terminal};

/// Upper bounds on a request URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct UriLimits {
    /// Octets of the path with its query; 8192 by default.
    pub octets: usize,
    /// Steps of a node selector; 64 by default.
    pub steps: usize,
    /// Namespace bindings in the query; 32 by default.
    pub bindings: usize,
}

impl Default for UriLimits {
    fn default() -> Self {
        Self {
            octets: 8192,
            steps: 64,
            bindings: 32,
        }
    }
}

/// Whose documents a URI is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Tree {
    /// Those of everybody.
    Global,
    /// Those of the user with this identifier (XUI), escapes undone.
    User(String),
}

/// What a request is about: a document, or a node of it.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::{ResourceUri, Tree};
///
/// let uri = ResourceUri::parse("/xcap-root", "/xcap-root/resource-lists/users/sip:joe@example.com/index")?;
/// assert_eq!(uri.auid(), "resource-lists");
/// assert_eq!(uri.tree(), &Tree::User("sip:joe@example.com".into()));
/// assert_eq!(uri.document(), "index");
/// assert!(uri.node().is_none());
/// # Ok::<(), im_xdm_model::xcap::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceUri {
    auid: String,
    tree: Tree,
    document: String,
    directory: bool,
    node: Option<NodeSelector>,
    /// The path of the document as it came, escapes and root included.
    path: String,
    /// Octets of the path up to the directory of the document.
    home: usize,
    query: Option<String>,
}

/// Why a path names no resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// The URI is longer than [`UriLimits::octets`].
    #[error("uri too long")]
    TooLong,
    /// The path is not below the XCAP root.
    #[error("not below the xcap root")]
    NotBelowRoot,
    /// A `%` that begins no escape, or escapes of what is not UTF-8 text.
    #[error("malformed escape")]
    BadEscape,
    /// The segment after the AUID is neither `global` nor `users`.
    #[error("neither global nor users tree")]
    NoTree,
    /// There is no document name, or one that could leave its directory.
    #[error("no document name")]
    NoDocument,
    /// The node selector cannot be understood.
    #[error("node selector: {0}")]
    Selector(SelectorError),
}

impl UriError {
    /// Returns the HTTP status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong => 414,
            Self::BadEscape => 400,
            Self::NotBelowRoot | Self::NoTree | Self::NoDocument => 404,
            Self::Selector(error) => error.status(),
        }
    }
}

impl ResourceUri {
    /// Reads a request path, or an absolute HTTP URI, with the default bounds.
    ///
    /// The root is the path that comes before the AUID, such as `/xcap-root`; of an absolute URI its path counts.
    ///
    /// # Errors
    ///
    /// Fails when the path names no resource; [`UriError::status`] is what to answer.
    pub fn parse(root: &str, path: &str) -> Result<Self, UriError> {
        Self::parse_within(root, path, &UriLimits::default())
    }

    /// Reads a request path within bounds.
    ///
    /// # Errors
    ///
    /// Fails when the path names no resource or exceeds a bound.
    pub fn parse_within(root: &str, path: &str, limits: &UriLimits) -> Result<Self, UriError> {
        if path.len() > limits.octets {
            return Err(UriError::TooLong);
        }
        let root = path_of(root).trim_end_matches('/');
        let path = path_of(path);
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let below = path
            .strip_prefix(root)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or(UriError::NotBelowRoot)?;
        //= https://www.rfc-editor.org/rfc/rfc4825#section-8
        //# The server MUST separate the document selector from the node
        //# selector, by splitting the URI at the first instance of the node
        //# selector separator ("~~").
        let (document, node) = split_node(below);
        let mut segments = Vec::new();
        for segment in document.split('/') {
            segments.push(decode(segment)?);
        }
        let mut segments = segments.into_iter();
        let auid = segments
            .next()
            .filter(|s| is_file_name(s))
            .ok_or(UriError::NoDocument)?;
        let tree = match segments.next().as_deref() {
            Some("global") => Tree::Global,
            Some("users") => {
                let xui = segments.next().ok_or(UriError::NoDocument)?;
                if matches!(xui.as_str(), "" | "." | "..") {
                    return Err(UriError::NoDocument);
                }
                Tree::User(xui)
            }
            _ => return Err(UriError::NoTree),
        };
        let names: Vec<String> = segments.collect();
        let depth = if tree == Tree::Global { 2 } else { 3 };
        let before = path.len().saturating_sub(below.len());
        let home = document.split('/').take(depth).fold(before, |sum, segment| {
            sum.saturating_add(segment.len()).saturating_add(1)
        });
        if names.is_empty() || !names.iter().all(|s| is_file_name(s)) {
            return Err(UriError::NoDocument);
        }
        let node = match node {
            None => None,
            Some(selector) => {
                let bindings = match query {
                    Some(query) => {
                        selector::bindings(&decode(query)?, limits.bindings).map_err(UriError::Selector)?
                    }
                    None => Vec::new(),
                };
                let decoded = decode(selector)?;
                Some(NodeSelector::parse(&decoded, &bindings, limits.steps).map_err(UriError::Selector)?)
            }
        };
        let length = before.saturating_add(document.len());
        Ok(Self {
            auid,
            tree,
            home,
            directory: names.len() > 1,
            document: names.join("/"),
            node,
            path: path.get(..length).unwrap_or(path).to_owned(),
            query: query.map(str::to_owned),
        })
    }

    /// Writes the path of a document below a root.
    ///
    /// # Examples
    ///
    /// ```
    /// use im_xdm_model::xcap::{ResourceUri, Tree};
    ///
    /// let tree = Tree::User("sip:joe?@example.com".into());
    /// let path = ResourceUri::path_of("/xcap/", "resource-lists", &tree, "index");
    /// assert_eq!(path, "/xcap/resource-lists/users/sip:joe%3F@example.com/index");
    /// ```
    pub fn path_of(root: &str, auid: &str, tree: &Tree, document: &str) -> String {
        let mut path = root.trim_end_matches('/').to_owned();
        let (kind, xui) = match tree {
            Tree::Global => ("global", None),
            Tree::User(xui) => ("users", Some(xui.as_str())),
        };
        let segments = [Some(auid), Some(kind), xui].into_iter().flatten();
        for segment in segments.chain(document.split('/')) {
            path.push('/');
            encode(segment, &mut path);
        }
        path
    }

    /// Returns the application usage.
    pub fn auid(&self) -> &str {
        &self.auid
    }

    /// Returns whose documents are meant.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the user, if the document is a user's.
    pub fn user(&self) -> Option<&str> {
        match &self.tree {
            Tree::Global => None,
            Tree::User(xui) => Some(xui),
        }
    }

    /// Returns the name of the document, sub-directories included.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Tells whether the document is in a sub-directory.
    pub fn is_in_directory(&self) -> bool {
        self.directory
    }

    /// Returns the node selector, if a node is meant and not the document.
    pub fn node(&self) -> Option<&NodeSelector> {
        self.node.as_ref()
    }

    /// Returns the path of the document with the root, as it came.
    pub fn document_path(&self) -> &str {
        &self.path
    }

    /// Finds a document of a usage in an absolute URI whose root is not known.
    pub(crate) fn parse_anywhere(uri: &str, auid: &str) -> Option<Self> {
        let path = path_of(uri);
        path.match_indices(auid)
            .filter_map(|(at, _)| path.get(..at))
            .filter(|root| root.ends_with('/'))
            .find_map(|root| Self::parse(root, path).ok().filter(|found| found.auid == auid))
    }

    /// Returns the path of the user's home directory, or of the global tree.
    pub(crate) fn home(&self) -> &str {
        self.path.get(..self.home).unwrap_or(&self.path)
    }

    /// Writes the URI of the element that the first steps select.
    pub(crate) fn ancestor(&self, steps: usize) -> String {
        self.write(steps, None)
    }

    fn write(&self, steps: usize, terminal: Option<&Terminal>) -> String {
        let mut uri = self.path.clone();
        if let Some(node) = self.node.as_ref().filter(|_| steps > 0) {
            uri.push_str("/~~");
            for step in node.steps().iter().take(steps) {
                uri.push('/');
                encode(&step.to_string(), &mut uri);
            }
            if let Some(terminal) = terminal {
                uri.push('/');
                encode(&terminal.to_string(), &mut uri);
            }
            if let Some(query) = &self.query {
                uri.push('?');
                uri.push_str(query);
            }
        }
        uri
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terminal = self.node.as_ref().and_then(NodeSelector::terminal);
        f.write_str(&self.write(usize::MAX, terminal))
    }
}

/// Drops scheme and authority of an absolute URI.
fn path_of(uri: &str) -> &str {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri;
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return uri;
    }
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
}

/// Splits at the first segment that is `~~`, however its tildes are written.
fn split_node(path: &str) -> (&str, Option<&str>) {
    let mut start = 0_usize;
    for segment in path.split('/') {
        let end = start.saturating_add(segment.len());
        if segment == "~~" || segment.to_ascii_lowercase().replace("%7e", "~") == "~~" {
            let document = path.get(..start.saturating_sub(1)).unwrap_or_default();
            return (document, Some(path.get(end..).unwrap_or_default()));
        }
        start = end.saturating_add(1);
    }
    (path, None)
}

/// A name that stays in its directory wherever a host keeps documents.
fn is_file_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains(['/', '\\'])
}

/// Undoes percent-encoding; the result is text without control characters.
fn decode(text: &str) -> Result<String, UriError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let mut digit = || {
            bytes
                .next()
                .and_then(|b| char::from(b).to_digit(16))
                .ok_or(UriError::BadEscape)
        };
        let value = digit()?.saturating_mul(16).saturating_add(digit()?);
        octets.push(u8::try_from(value).map_err(|_| UriError::BadEscape)?);
    }
    let text = String::from_utf8(octets).map_err(|_| UriError::BadEscape)?;
    if text.chars().any(char::is_control) {
        Err(UriError::BadEscape)
    } else {
        Ok(text)
    }
}

/// Percent-encodes what may not stand in a path segment (`pchar` of RFC 3986).
pub(crate) fn encode(text: &str, out: &mut String) {
    use fmt::Write as _;
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'!'
                    | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'@'
            );
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
