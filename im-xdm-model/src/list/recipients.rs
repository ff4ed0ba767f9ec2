//! The recipients of a request with a list, and the history that each of them is sent (RFC 5364 section 4).

use std::collections::BTreeMap;

use bytes::Bytes;
use sip_im::{Aliases, Identity, Uri};

use crate::document::{CopyControl, DisplayName, Entry, Item, List, ResourceLists};

/// How a list is read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How many recipients there may be; 1000 by default.
    pub max_recipients: usize,
    /// Which URIs name the same user.
    pub aliases: Aliases,
    /// Whether a blind recipient is told that it is one, in a history of its own. By default it is not, and all
    /// recipients get the same history.
    pub inform_blind: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_recipients: 1000,
            aliases: Aliases::default(),
            inform_blind: false,
        }
    }
}

/// The recipients of a request, each once.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Recipients {
    /// The recipients in the order in which the list names them first.
    pub entries: Vec<Recipient>,
    inform_blind: bool,
}

/// One recipient.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recipient {
    /// The URI of the first entry that names the recipient.
    pub uri: Uri,
    /// Who it is, aliases folded.
    pub identity: Identity,
    /// The strongest role of all entries that name the recipient.
    pub copy_control: CopyControl,
    /// Whether one of these entries asks not to show the recipient to others.
    pub anonymize: bool,
    /// What the list calls the recipient.
    pub display_name: Option<String>,
}

/// Why a list gives no recipients. Entries are counted from 0, in the order of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The list refers to other lists or entries, which have to be resolved first.
    #[error("reference to another list at entry {entry}")]
    External {
        /// Entries before the reference.
        entry: usize,
    },
    /// An entry that is no URI.
    #[error("entry {entry} is no uri")]
    InvalidUri {
        /// Entries before this one.
        entry: usize,
    },
    /// More recipients than [`Options::max_recipients`].
    #[error("too many recipients")]
    TooMany,
}

/// Reads the recipients of a list.
///
/// Entries of nested lists count as entries of the outer one, and take a role they have none of their own for from the
/// list they are in. Entries that name one user, however they are spelt, give one recipient.
///
/// # Errors
///
/// Fails as a whole, so that nothing is sent to the first half of a list.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{CopyControl, ResourceLists};
/// use im_xdm_model::list::{Options, recipients};
/// use im_xdm_model::xml::Limits;
///
/// let body = br#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"
///   xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>
///     <entry uri="sip:bill@example.com" cp:copyControl="cc"/>
///     <entry uri="sip:bill@EXAMPLE.com:5060" cp:copyControl="to"/>
///     <entry uri="sip:ted@example.net"/></list></resource-lists>"#;
/// let found = recipients(&ResourceLists::parse(body, &Limits::default())?, &Options::default())?;
/// assert_eq!(found.entries.len(), 2);
/// assert_eq!(found.entries[0].copy_control, CopyControl::To);
/// let history = String::from_utf8(found.history_for(0).to_vec())?;
/// assert!(history.contains("bill") && !history.contains("ted"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recipients(lists: &ResourceLists, options: &Options) -> Result<Recipients, ListError> {
    let mut found = Recipients {
        entries: Vec::new(),
        inform_blind: options.inform_blind,
    };
    let mut known: BTreeMap<Identity, usize> = BTreeMap::new();
    let mut seen = 0_usize;
    for list in &lists.lists {
        let mut open = vec![(list.children.iter(), list.copy_control, list.anonymize)];
        while let Some((items, role, anonymize)) = open.last_mut() {
            let (role, anonymize) = (*role, *anonymize);
            match items.next() {
                None => {
                    open.pop();
                }
                //= R-5.3.2.1.3-01
                Some(Item::List(inner)) => {
                    open.push((
                        inner.children.iter(),
                        inner.copy_control.or(role),
                        inner.anonymize || anonymize,
                    ));
                }
                Some(Item::Entry(entry)) => {
                    let recipient = recipient(entry, role, anonymize, options)
                        .ok_or(ListError::InvalidUri { entry: seen })?;
                    seen = seen.saturating_add(1);
                    add(&mut found.entries, &mut known, recipient);
                    if found.entries.len() > options.max_recipients {
                        return Err(ListError::TooMany);
                    }
                }
                Some(Item::External(_) | Item::EntryRef(_)) => {
                    return Err(ListError::External { entry: seen });
                }
                Some(Item::Other(_)) => {}
            }
        }
    }
    Ok(found)
}

fn recipient(
    entry: &Entry,
    role: Option<CopyControl>,
    anonymize: bool,
    options: &Options,
) -> Option<Recipient> {
    let uri = Uri::parse(entry.uri.trim()).ok()?;
    let identity = options.aliases.fold(&uri.identity());
    Some(Recipient {
        uri,
        identity,
        //= https://www.rfc-editor.org/rfc/rfc5364#section-4
        //# That is, the absence of a 'copyControl' attribute
        //# MUST be treated as if the 'copyControl' was set to "bcc".
        copy_control: entry.copy_control.or(role).unwrap_or(CopyControl::Bcc),
        anonymize: entry.anonymize || anonymize,
        display_name: entry
            .display_name
            .as_ref()
            .map(|name: &DisplayName| name.text.clone()),
    })
}

/// Adds a recipient, or strengthens the one that is there.
fn add(entries: &mut Vec<Recipient>, known: &mut BTreeMap<Identity, usize>, recipient: Recipient) {
    if let Some(same) = known.get(&recipient.identity).and_then(|at| entries.get_mut(*at)) {
        //= https://www.rfc-editor.org/rfc/rfc5364#section-4
        //# For
        //# each set of duplicated URI entries, the URI-list server MUST select
        //# the highest precedence value of the 'copyControl' attribute for the
        //# same intended recipient.
        same.copy_control = same.copy_control.max(recipient.copy_control);
        // The stricter wish wins: a second entry must not lift the anonymity that the first asks for.
        same.anonymize |= recipient.anonymize;
        if same.display_name.is_none() {
            same.display_name = recipient.display_name;
        }
    } else {
        known.insert(recipient.identity.clone(), entries.len());
        entries.push(recipient);
    }
}

impl Recipients {
    /// Tells whether there is nobody to send to.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tells whether a history would show anybody, if only as anonymous.
    pub fn has_visible(&self) -> bool {
        self.entries.iter().any(|r| r.copy_control != CopyControl::Bcc)
    }

    /// Writes the history that the recipient with this index is sent (`recipient-list-history`).
    ///
    /// Blind recipients are left out, except the recipient itself when [`Options::inform_blind`] says so; recipients
    /// that want to be anonymous are only counted. Display names are left out, as they may hold an address.
    pub fn history_for(&self, index: usize) -> Bytes {
        let mut list = List::new();
        for role in [CopyControl::To, CopyControl::Cc] {
            let of_role = || self.entries.iter().filter(move |r| r.copy_control == role);
            for visible in of_role().filter(|r| !r.anonymize) {
                list.children.push(Item::Entry(entry(&visible.uri, role)));
            }
            let hidden = of_role().filter(|r| r.anonymize).count();
            if hidden > 0 {
                //= https://www.rfc-editor.org/rfc/rfc5364#section-4
                //# but MUST
                //# convert them to the SIP URI "sip:anonymous@anonymous.invalid" in
                //# recipient-history lists.
                let mut anonymous = Entry::new(ANONYMOUS);
                anonymous.copy_control = Some(role);
                anonymous.count = Some(u32::try_from(hidden).unwrap_or(u32::MAX));
                list.children.push(Item::Entry(anonymous));
            }
        }
        let own = self
            .entries
            .get(index)
            .filter(|r| self.inform_blind && r.copy_control == CopyControl::Bcc);
        if let Some(own) = own {
            list.children.push(Item::Entry(entry(&own.uri, CopyControl::Bcc)));
        }
        ResourceLists::of(vec![list]).write()
    }
}

/// What stands in a history for recipients that are not shown.
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// Shows a recipient. The header fields of a URI are meant for the request to it alone.
fn entry(uri: &Uri, role: CopyControl) -> Entry {
    let text = uri.as_str();
    let shown = if uri.is_sip() {
        text.split_once('?').map_or(text, |(uri, _)| uri)
    } else {
        text
    };
    let mut entry = Entry::new(shown);
    entry.copy_control = Some(role);
    entry
}
