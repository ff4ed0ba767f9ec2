//! The two header blocks.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::parser::{HeadParser, Line, Progress};

use super::field::{Field, Namespaces, read_field};
use super::value::unescape;
use super::{
    Address, CPIM_NAMESPACE, CpimError, CpimErrorKind, DateTime, DispositionNotification, IMDN_NAMESPACE,
};
use super::{Limits, Subject};
use crate::ByteStr;
use crate::header::content::{ContentDisposition, ContentType};

/// The two header blocks of an envelope.
#[derive(Clone, Eq, PartialEq)]
pub struct Head {
    fields: Vec<Field>,
    content_fields: Vec<(ByteStr, ByteStr)>,
    /// The second block as it was read, with the blank lines around it.
    content_block: Bytes,
    content_type: ContentType,
    from: Option<Address>,
    to: Vec<Address>,
    cc: Vec<Address>,
    date_time: Option<DateTime>,
}

impl Head {
    pub(super) fn read(octets: &Bytes, lines: &[Line]) -> Result<Self, CpimError> {
        let mut fields = Vec::new();
        let mut content_lines: Vec<(usize, String)> = Vec::new();
        let mut namespaces = Namespaces::default();
        let mut content_start = 0;
        for line in lines {
            let fail = |kind| CpimError {
                kind,
                offset: line.start,
            };
            let text = ByteStr::try_from(octets.slice(line.start..line.end))
                .map_err(|_| fail(CpimErrorKind::Encoding))?;
            if text
                .bytes()
                .any(|octet| octet < 0x20 && octet != b'\t' || octet == 0x7f)
            {
                return Err(fail(CpimErrorKind::Control));
            }
            if line.content_block {
                match (text.starts_with([' ', '\t']), content_lines.last_mut()) {
                    (true, Some((_, folded))) => folded.push_str(&text),
                    (true, None) => return Err(fail(CpimErrorKind::Field)),
                    (false, _) => content_lines.push((line.start, text.as_str().to_owned())),
                }
            } else {
                content_start = line.end;
                fields.push(read_field(&text, &mut namespaces).map_err(fail)?);
            }
        }
        let content_block = octets.slice(
            if fields.is_empty() {
                0
            } else {
                content_start.saturating_add(2)
            }..,
        );
        let mut content_fields = Vec::with_capacity(content_lines.len());
        let mut type_start = None;
        for (start, line) in content_lines {
            let fail = CpimError {
                kind: CpimErrorKind::Field,
                offset: start,
            };
            let (name, value) = line.split_once(':').ok_or(fail)?;
            if !crate::header::content::is_token(name) {
                return Err(fail);
            }
            if name.eq_ignore_ascii_case("Content-Type") {
                type_start = type_start.or(Some(start));
            }
            content_fields.push((ByteStr::from(name), ByteStr::from(value.trim())));
        }
        let content_type = match content_fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"))
        {
            Some((_, value)) => ContentType::parse(value).map_err(|_| CpimError {
                kind: CpimErrorKind::Value,
                offset: type_start.unwrap_or(content_start),
            })?,
            //= https://www.rfc-editor.org/rfc/rfc3862#section-2.4
            //# The MIME content headers MUST include at least a Content-Type header.
            None => {
                return Err(CpimError {
                    kind: CpimErrorKind::NoContentType,
                    offset: content_start,
                });
            }
        };
        let mut head = Self {
            fields,
            content_fields,
            content_block,
            content_type,
            from: None,
            to: Vec::new(),
            cc: Vec::new(),
            date_time: None,
        };
        if let Err((field, kind)) = head.read_known() {
            let offset = lines.get(field).map_or(0, |line| line.start);
            return Err(CpimError { kind, offset });
        }
        Ok(head)
    }

    /// Reads the fields that the envelope defines; an error says which field is at fault.
    fn read_known(&mut self) -> Result<(), (usize, CpimErrorKind)> {
        let (mut from, mut to, mut cc, mut date_time) = (None, Vec::new(), Vec::new(), None);
        for (at, field) in self.fields.iter().enumerate() {
            if field.namespace != CPIM_NAMESPACE {
                continue;
            }
            let address = || Address::parse(&field.value).map_err(|kind| (at, kind));
            match field.name.as_str() {
                "From" if from.is_some() => return Err((at, CpimErrorKind::Repeated)),
                "From" => from = Some(address()?),
                "To" => to.push(address()?),
                "cc" => cc.push(address()?),
                "DateTime" if date_time.is_some() => return Err((at, CpimErrorKind::Repeated)),
                "DateTime" => {
                    let value = DateTime::parse(&field.value);
                    date_time = Some(value.map_err(|_| (at, CpimErrorKind::Value))?);
                }
                _ => {}
            }
        }
        (self.from, self.to, self.cc, self.date_time) = (from, to, cc, date_time);
        Ok(())
    }

    /// The sender.
    pub fn from(&self) -> Option<&Address> {
        self.from.as_ref()
    }

    /// The recipients.
    pub fn to(&self) -> &[Address] {
        &self.to
    }

    /// Those who get a copy.
    pub fn cc(&self) -> &[Address] {
        &self.cc
    }

    /// When the sender sent it.
    pub fn date_time(&self) -> Option<&DateTime> {
        self.date_time.as_ref()
    }

    /// The subjects, one a language.
    pub fn subjects(&self) -> Vec<Subject> {
        self.named(CPIM_NAMESPACE, "Subject")
            .map(|field| {
                let language = field.parameter("lang");
                Subject::new(language.as_deref(), &unescape(&field.value))
            })
            .collect()
    }

    /// The names of what the receiver must understand, with their prefixes.
    pub fn require(&self) -> Vec<&str> {
        self.named(CPIM_NAMESPACE, "Require")
            .flat_map(|field| field.value.as_str().split(','))
            .map(|name| name.trim_matches(' '))
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// What the receiver must understand, each with the namespace that it belongs to.
    ///
    /// # Errors
    ///
    /// Fails when a name is malformed or its prefix is not declared; the receiver cannot understand such a message.
    //= https://www.rfc-editor.org/rfc/rfc3862#section-3.5
    //# By using the
    //# mandatory-to-recognize indicator, a sender is notifying the recipient
    //# that it MUST understand the named header or feature in order to
    //# properly understand the message.
    pub fn requirements(&self) -> Result<Vec<(ByteStr, ByteStr)>, CpimErrorKind> {
        let mut namespaces = Namespaces::default();
        let mut required = Vec::new();
        for field in self
            .fields
            .iter()
            .filter(|field| field.namespace == CPIM_NAMESPACE)
        {
            match field.name.as_str() {
                "NS" => namespaces.declare(&field.value)?,
                "Require" => {
                    let names = field.value.split(',').map(|name| name.trim_matches(' '));
                    for name in names.filter(|name| !name.is_empty()) {
                        let (namespace, name) = namespaces.resolve(name)?;
                        required.push((namespace, ByteStr::from(name)));
                    }
                }
                _ => {}
            }
        }
        Ok(required)
    }

    /// `imdn.Message-ID` (RFC 5438 6.3).
    pub fn imdn_message_id(&self) -> Option<&str> {
        self.named(IMDN_NAMESPACE, "Message-ID")
            .next()
            .map(|field| field.value.as_str().trim_matches(' '))
    }

    /// The notifications asked for by `imdn.Disposition-Notification` (RFC 5438 6.2).
    pub fn disposition_notification(&self) -> Vec<DispositionNotification> {
        self.named(IMDN_NAMESPACE, "Disposition-Notification")
            .flat_map(|field| field.value.as_str().split(','))
            .map(|request| request.split(';').next().unwrap_or_default().trim_matches(' '))
            .filter(|token| !token.is_empty())
            .map(DispositionNotification::parse)
            .collect()
    }

    /// `imdn.Original-To` (RFC 5438 6.4).
    pub fn original_to(&self) -> Option<Address> {
        self.named(IMDN_NAMESPACE, "Original-To")
            .next()
            .and_then(|field| Address::parse(&field.value).ok())
    }

    /// Where notifications go through on their way back: `imdn.IMDN-Record-Route`, the top one first (RFC 5438 6.5).
    pub fn imdn_record_routes(&self) -> Vec<Address> {
        self.imdn_addresses("IMDN-Record-Route")
    }

    /// Where this notification goes through: `imdn.IMDN-Route`, the top one first (RFC 5438 6.6).
    pub fn imdn_routes(&self) -> Vec<Address> {
        self.imdn_addresses("IMDN-Route")
    }

    fn imdn_addresses(&self, name: &str) -> Vec<Address> {
        self.fields
            .iter()
            .filter(|field| field.namespace == IMDN_NAMESPACE && field.name == name)
            .filter_map(|field| Address::parse(&field.value).ok())
            .collect()
    }

    /// Every field of the first block, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields of this name in a namespace, in order.
    pub fn named<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields
            .iter()
            .filter(move |field| field.namespace == namespace && field.name == name)
    }

    /// The content's media type.
    pub fn content_type(&self) -> &ContentType {
        &self.content_type
    }

    /// The content's disposition, if it has one that can be read.
    pub fn content_disposition(&self) -> Option<ContentDisposition> {
        self.content_field("Content-Disposition")
            .and_then(|value| ContentDisposition::parse(value).ok())
    }

    /// A field of the second block; its name is compared without regard to case.
    pub fn content_field(&self, name: &str) -> Option<&str> {
        self.content_fields
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The fields of the second block, in order.
    pub fn content_fields(&self) -> &[(ByteStr, ByteStr)] {
        &self.content_fields
    }

    /// The same head with another sender, and everything else octet for octet.
    ///
    /// A switch needs this for a participant who hides his identity.
    #[must_use]
    pub fn with_from(&self, from: &Address) -> Self {
        let mut head = self.clone();
        let line = ByteStr::from(format!("From: {from}"));
        let value = ByteStr::from(from.to_string());
        let name = ByteStr::from_static("From");
        let namespace = ByteStr::from_static(CPIM_NAMESPACE);
        let own = head
            .fields
            .iter_mut()
            .find(|field| field.namespace == CPIM_NAMESPACE && field.name == "From");
        match own {
            Some(field) => {
                // The prefix stays: it may be the only one declared for the namespace.
                let prefix = field
                    .line
                    .split_once(':')
                    .map_or("From", |(name, _)| name)
                    .to_owned();
                field.line = ByteStr::from(format!("{prefix}: {from}"));
                field.parameters = ByteStr::new();
                field.value = value;
            }
            None => head.fields.insert(
                0,
                Field {
                    namespace,
                    name,
                    parameters: ByteStr::new(),
                    value,
                    line,
                },
            ),
        }
        head.from = Some(from.clone());
        head
    }

    /// The two blocks as octets, up to the first octet of the content.
    pub fn to_bytes(&self) -> Bytes {
        let len = self
            .fields
            .iter()
            .map(|field| field.line.len().saturating_add(2))
            .sum::<usize>();
        let mut octets = BytesMut::with_capacity(len.saturating_add(self.content_block.len()));
        for field in &self.fields {
            octets.put_slice(field.line.as_bytes());
            octets.put_slice(b"\r\n");
        }
        octets.put_slice(&self.content_block);
        octets.freeze()
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("content_type", &self.content_type)
            .field("fields", &self.fields.len())
            .finish_non_exhaustive()
    }
}

impl Head {
    pub(super) fn built(lines: &str, content_block: &str) -> Result<Self, CpimError> {
        let octets = format!("{lines}\r\n{content_block}\r\n");
        let mut parser = HeadParser::new(Limits {
            head_octets: octets.len(),
            fields: usize::MAX,
        });
        match parser.push(octets.as_bytes())? {
            Progress::Done { head, .. } => Ok(*head),
            Progress::NeedMore => Err(CpimError {
                kind: CpimErrorKind::Incomplete,
                offset: 0,
            }),
        }
    }
}
