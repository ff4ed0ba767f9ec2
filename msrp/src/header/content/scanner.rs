//! Reading the grammar that these headers share.

use smallvec::SmallVec;

use super::{ContentError, ContentErrorKind, MAX_PARAMETERS, is_token_octet};

/// Names and values of parameters, the values as they were written.
pub(super) type Pairs<'a> = SmallVec<[(&'a str, &'a str); 2]>;

/// Reads tokens, quoted strings and separators from a value.
pub(super) struct Scanner<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn octets(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.offset..).unwrap_or_default()
    }

    fn at_end(&self) -> bool {
        self.offset >= self.text.len()
    }

    fn take(&mut self, len: usize) -> &'a str {
        let taken = self.rest().get(..len).unwrap_or_default();
        self.offset = self.offset.saturating_add(taken.len());
        taken
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.octets().first() {
            self.offset = self.offset.saturating_add(1);
        }
    }

    fn fail<T>(&self, kind: ContentErrorKind) -> Result<T, ContentError> {
        Err(ContentError {
            kind,
            offset: self.offset,
        })
    }

    pub(super) fn expect(&mut self, octet: u8, kind: ContentErrorKind) -> Result<(), ContentError> {
        if self.octets().first() == Some(&octet) {
            self.offset = self.offset.saturating_add(1);
            return Ok(());
        }
        self.fail(kind)
    }

    pub(super) fn token(&mut self) -> Result<&'a str, ContentError> {
        let octets = self.octets();
        let end = octets.iter().position(|&octet| !is_token_octet(octet));
        let len = end.unwrap_or(octets.len());
        if len == 0 {
            return self.fail(ContentErrorKind::Token);
        }
        Ok(self.take(len))
    }

    fn value(&mut self) -> Result<&'a str, ContentError> {
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        // Some senders leave a boundary or an address unquoted that is not a token; all but separators is taken.
        let len = self
            .rest()
            .bytes()
            .take_while(|&octet| is_token_octet(octet) || b"/:?=@".contains(&octet))
            .count();
        if len == 0 {
            return self.fail(ContentErrorKind::Value);
        }
        Ok(self.take(len))
    }

    fn quoted(&mut self) -> Result<&'a str, ContentError> {
        let mut escaped = false;
        for (index, octet) in self.rest().bytes().enumerate().skip(1) {
            match octet {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return Ok(self.take(index.saturating_add(1))),
                0..=8 | 10..=31 | 127 => return self.fail(ContentErrorKind::QuotedString),
                _ => {}
            }
        }
        self.fail(ContentErrorKind::QuotedString)
    }

    /// Reads parameters up to the end, each named once.
    pub(super) fn parameters(&mut self) -> Result<Pairs<'a>, ContentError> {
        let mut parameters = Pairs::new();
        loop {
            self.space();
            if self.at_end() {
                return Ok(parameters);
            }
            self.expect(b';', ContentErrorKind::Unexpected)?;
            self.space();
            if self.at_end() {
                // A trailing semicolon names nothing; mail software writes it.
                return Ok(parameters);
            }
            let offset = self.offset;
            let name = self.token()?;
            self.space();
            self.expect(b'=', ContentErrorKind::Value)?;
            self.space();
            let value = self.value()?;
            let fail = |kind| Err(ContentError { kind, offset });
            if parameters.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                return fail(ContentErrorKind::Repeated);
            }
            if parameters.len() >= MAX_PARAMETERS {
                return fail(ContentErrorKind::TooMany);
            }
            parameters.push((name, value));
        }
    }
}
