//! Replacing the references of lists by what they lead to (RFC 4826 sections 3.1 and 5).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::reference::{Found, Reference};
use crate::document::resource_lists::{EntryRef, External};
use crate::document::{Entry, Item, List, ResourceLists};
use crate::xcap::ResourceUri;
use crate::xml::Limits;

/// What references may lead to, and cost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResolverConfig {
    /// The XCAP root URIs of the administrative domain, such as `https://xcap.example.com/xcap-root`; nothing else is
    /// fetched. An `entry-ref` of the lists themselves is relative to the first one.
    pub roots: Vec<String>,
    /// Documents that are fetched; 32 by default.
    pub max_documents: usize,
    /// Different references that are followed; 256 by default.
    pub max_references: usize,
    /// Lists inside each other, those that references lead to included; 32 by default.
    pub max_depth: usize,
    /// Entries and lists of the result; 10 000 by default.
    pub max_items: usize,
    /// Whether a reference that leads nowhere, or out of the domain, is left out; by default it fails the whole list.
    pub skip_missing: bool,
    /// What a fetched document may cost.
    pub xml: Limits,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            max_documents: 32,
            max_references: 256,
            max_depth: 32,
            max_items: 10_000,
            skip_missing: false,
            xml: Limits::default(),
        }
    }
}

/// Why references are not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// A reference that leads out of the administrative domain, or is none.
    #[error("reference out of the administrative domain")]
    Outside,
    /// A document or element that is not there, or is not what the reference is to.
    #[error("reference to nothing")]
    Missing,
    /// More documents than [`ResolverConfig::max_documents`].
    #[error("too many documents")]
    TooManyDocuments,
    /// More references than [`ResolverConfig::max_references`].
    #[error("too many references")]
    TooManyReferences,
    /// Deeper than [`ResolverConfig::max_depth`].
    #[error("nested too deeply")]
    TooDeep,
    /// More entries and lists than [`ResolverConfig::max_items`].
    #[error("too many entries")]
    TooManyItems,
}

/// Names a document that is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(u64);

/// A document that the host owes an answer for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetch {
    /// What the answer names.
    pub id: FetchId,
    /// The root below which the document is, as [`ResolverConfig::roots`] has it.
    pub root: String,
    /// The document. Whether the requester may read it is for the host to decide.
    pub uri: ResourceUri,
}

/// Resolves the references of one document. Documents are asked for through [`Resolver::poll_effect`].
///
/// The result has no references: an `external` is a list, an `entry-ref` an entry, each with the role, the anonymity and
/// the name that the reference gives it. A list inside itself is left out there.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::{External, Item, List, ResourceLists};
/// use im_xdm_model::list::{Resolver, ResolverConfig};
///
/// let mut config = ResolverConfig::default();
/// config.roots.push("http://xcap.example.com".into());
/// let mut list = List::new();
/// let anchor = "http://xcap.example.com/resource-lists/users/sip:a@example.com/index/~~/resource-lists/list%5b1%5d";
/// list.children.push(Item::External(External::new(anchor)));
///
/// let mut resolver = Resolver::new(config, ResourceLists::of(vec![list]));
/// while let Some(fetch) = resolver.poll_effect() {
///     assert_eq!(fetch.uri.document(), "index");
///     let text = r#"<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">
///         <list><entry uri="sip:b@example.com"/></list></resource-lists>"#;
///     resolver.handle_answer(fetch.id, Some(text.into()));
/// }
/// let resolved = resolver.poll_event().ok_or("not yet")??;
/// assert!(matches!(&resolved.lists[0].children[0], Item::List(list) if list.children.len() == 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Resolver {
    config: ResolverConfig,
    lists: ResourceLists,
    documents: BTreeMap<(usize, String), Document>,
    /// What each reference leads to, by the root it is relative to and its text.
    targets: BTreeMap<Key, Target>,
    /// The elements that references lead to, by document and place.
    elements: BTreeMap<Place, Element>,
    effects: VecDeque<Fetch>,
    asked: BTreeMap<FetchId, (usize, String)>,
    next: u64,
    outcome: Outcome,
}

/// A reference: the root that it is relative to, its text, and whether it is to an entry.
type Key = (usize, String, bool);
type Place = ((usize, String), usize);

#[derive(Debug)]
enum Document {
    Asked,
    Known(Bytes),
    Missing,
}

#[derive(Debug)]
enum Target {
    Waiting(Reference),
    At(Place),
    Nothing,
}

#[derive(Debug)]
enum Element {
    List(List, usize),
    Entry(Entry),
}

#[derive(Debug)]
enum Outcome {
    Open,
    Ready(Result<ResourceLists, ResolveError>),
    Taken,
}

impl Resolver {
    /// Begins to resolve the references of a document.
    pub fn new(config: ResolverConfig, lists: ResourceLists) -> Self {
        let mut resolver = Self {
            config,
            lists: ResourceLists::default(),
            documents: BTreeMap::new(),
            targets: BTreeMap::new(),
            elements: BTreeMap::new(),
            effects: VecDeque::new(),
            asked: BTreeMap::new(),
            next: 0,
            outcome: Outcome::Open,
        };
        let mut keys = Vec::new();
        for list in &lists.lists {
            references(list, 0, &mut keys);
        }
        resolver.lists = lists;
        if let Err(error) = resolver.want(keys) {
            resolver.fail(error);
        }
        resolver.advance();
        resolver
    }

    /// Takes the next document that has to be fetched.
    pub fn poll_effect(&mut self) -> Option<Fetch> {
        self.effects.pop_front()
    }

    /// Takes the result, once it is there.
    pub fn poll_event(&mut self) -> Option<Result<ResourceLists, ResolveError>> {
        match std::mem::replace(&mut self.outcome, Outcome::Taken) {
            Outcome::Ready(result) => Some(result),
            other => {
                self.outcome = other;
                None
            }
        }
    }

    /// Tells whether the result has been taken, so that the resolver can be dropped.
    pub fn is_drained(&self) -> bool {
        matches!(self.outcome, Outcome::Taken)
    }

    /// Takes the text of a document, `None` when there is none or the requester may not read it. An answer that is late or
    /// comes twice is ignored.
    pub fn handle_answer(&mut self, id: FetchId, text: Option<Bytes>) {
        let Some(document) = self.asked.remove(&id) else {
            return;
        };
        if !matches!(self.outcome, Outcome::Open) {
            return;
        }
        let known = text.map_or(Document::Missing, Document::Known);
        self.documents.insert(document.clone(), known);
        let is_here = |target: &Target| matches!(target, Target::Waiting(r) if r.document() == document);
        let waiting: Vec<Key> = self
            .targets
            .iter()
            .filter(|(_, target)| is_here(target))
            .map(|(key, _)| key.clone())
            .collect();
        for key in waiting {
            if let Err(error) = self.settle(&key) {
                self.fail(error);
                return;
            }
        }
        self.advance();
    }

    fn fail(&mut self, error: ResolveError) {
        self.effects.clear();
        self.outcome = Outcome::Ready(Err(error));
    }

    /// Follows references that are new.
    fn want(&mut self, keys: Vec<Key>) -> Result<(), ResolveError> {
        let mut pending = keys;
        while let Some(key) = pending.pop() {
            if self.targets.contains_key(&key) {
                continue;
            }
            if self.targets.len() >= self.config.max_references {
                return Err(ResolveError::TooManyReferences);
            }
            let reference = if key.2 {
                Reference::of_entry(&key.1, key.0, &self.config)
            } else {
                Reference::of_anchor(&key.1, &self.config)
            };
            let Some(reference) = reference else {
                self.missing(key, ResolveError::Outside)?;
                continue;
            };
            let document = reference.document();
            let uri = reference.uri.clone();
            self.targets.insert(key.clone(), Target::Waiting(reference));
            match self.documents.get(&document) {
                Some(Document::Asked) => {}
                Some(_) => pending.extend(self.place(&key)?),
                None if self.documents.len() >= self.config.max_documents => {
                    return Err(ResolveError::TooManyDocuments);
                }
                None => {
                    let id = FetchId(self.next);
                    self.next = self.next.saturating_add(1);
                    let root = self.config.roots.get(document.0).cloned().unwrap_or_default();
                    self.effects.push_back(Fetch { id, root, uri });
                    self.asked.insert(id, document.clone());
                    self.documents.insert(document, Document::Asked);
                }
            }
        }
        Ok(())
    }

    /// Says that a reference leads nowhere.
    fn missing(&mut self, key: Key, error: ResolveError) -> Result<(), ResolveError> {
        // Where a reference may lead is decided by the domain, whatever the host makes of those that lead nowhere.
        if !self.config.skip_missing {
            return Err(error);
        }
        self.targets.insert(key, Target::Nothing);
        Ok(())
    }

    fn settle(&mut self, key: &Key) -> Result<(), ResolveError> {
        let further = self.place(key)?;
        self.want(further)
    }

    /// Finds the element of a reference whose document is known, and returns the references in it that are new.
    fn place(&mut self, key: &Key) -> Result<Vec<Key>, ResolveError> {
        let Some(Target::Waiting(reference)) = self.targets.get(key) else {
            return Ok(Vec::new());
        };
        let document = reference.document();
        let selected = match self.documents.get(&document) {
            Some(Document::Known(text)) => reference.select(text, &self.config.xml),
            Some(Document::Missing) | None => None,
            Some(Document::Asked) => return Ok(Vec::new()),
        };
        let selected = selected.filter(|(_, found)| matches!(found, Found::Entry(_)) == key.2);
        let Some((start, found)) = selected else {
            self.missing(key.clone(), ResolveError::Missing)?;
            return Ok(Vec::new());
        };
        let root = document.0;
        let place = (document, start);
        let mut further = Vec::new();
        if !self.elements.contains_key(&place) {
            let element = match found {
                Found::List(list) => {
                    references(&list, root, &mut further);
                    Element::List(list, root)
                }
                Found::Entry(entry) => Element::Entry(entry),
            };
            self.elements.insert(place.clone(), element);
        }
        self.targets.insert(key.clone(), Target::At(place));
        Ok(further)
    }

    /// Makes the result when nothing is waited for any more.
    fn advance(&mut self) {
        if matches!(self.outcome, Outcome::Open) && self.asked.is_empty() {
            self.outcome = Outcome::Ready(self.build());
        }
    }

    fn build(&self) -> Result<ResourceLists, ResolveError> {
        let mut built = Vec::new();
        let mut items = 0_usize;
        for list in &self.lists.lists {
            built.push(self.expand(list, &mut items)?);
        }
        Ok(ResourceLists::of(built))
    }

    fn expand(&self, list: &List, items: &mut usize) -> Result<List, ResolveError> {
        let mut inside: BTreeSet<&Place> = BTreeSet::new();
        let mut open = vec![Level::new(list, 0, None)];
        let mut done = List::new();
        while let Some(level) = open.last_mut() {
            let Some(item) = level.items.next() else {
                let Some(closed) = open.pop() else { break };
                if let Some(place) = closed.place {
                    inside.remove(place);
                }
                match open.last_mut() {
                    Some(parent) => parent.list.children.push(Item::List(closed.list)),
                    None => done = closed.list,
                }
                continue;
            };
            *items = items.saturating_add(1);
            if *items > self.config.max_items {
                return Err(ResolveError::TooManyItems);
            }
            let root = level.root;
            let next = match item {
                Item::List(inner) => Some(Level::new(inner, root, None)),
                Item::External(external) => self.external(external, root, &mut inside),
                Item::EntryRef(reference) => {
                    level
                        .list
                        .children
                        .extend(self.entry(reference, root).map(Item::Entry));
                    None
                }
                Item::Entry(_) | Item::Other(_) => {
                    level.list.children.push(item.clone());
                    None
                }
            };
            if let Some(next) = next {
                if open.len() >= self.config.max_depth {
                    return Err(ResolveError::TooDeep);
                }
                open.push(next);
            }
        }
        Ok(done)
    }

    fn target(&self, root: usize, text: &str, is_entry: bool) -> Option<(&Place, &Element)> {
        match self.targets.get(&(root, text.to_owned(), is_entry))? {
            Target::At(place) => Some((place, self.elements.get(place)?)),
            Target::Waiting(_) | Target::Nothing => None,
        }
    }

    fn external<'r>(
        &'r self,
        external: &External,
        root: usize,
        inside: &mut BTreeSet<&'r Place>,
    ) -> Option<Level<'r>> {
        let (place, element) = self.target(root, external.anchor.as_deref()?, false)?;
        let Element::List(list, root) = element else {
            return None;
        };
        // A list inside itself adds nobody.
        if !inside.insert(place) {
            return None;
        }
        let mut level = Level::new(list, *root, Some(place));
        let made = &mut level.list;
        made.copy_control = external.copy_control.or(made.copy_control);
        made.anonymize |= external.anonymize;
        if external.display_name.is_some() {
            made.display_name.clone_from(&external.display_name);
        }
        Some(level)
    }

    fn entry(&self, reference: &EntryRef, root: usize) -> Option<Entry> {
        let (_, Element::Entry(entry)) = self.target(root, &reference.reference, true)? else {
            return None;
        };
        let mut entry = entry.clone();
        entry.copy_control = reference.copy_control.or(entry.copy_control);
        entry.anonymize |= reference.anonymize;
        if reference.display_name.is_some() {
            entry.display_name.clone_from(&reference.display_name);
        }
        Some(entry)
    }
}

/// A list that is being copied.
struct Level<'r> {
    list: List,
    items: std::slice::Iter<'r, Item>,
    /// The root that its references are relative to.
    root: usize,
    /// Where the list is, when a reference led to it.
    place: Option<&'r Place>,
}

impl<'r> Level<'r> {
    fn new(source: &'r List, root: usize, place: Option<&'r Place>) -> Self {
        let mut list = List::new();
        list.name.clone_from(&source.name);
        list.display_name.clone_from(&source.display_name);
        list.copy_control = source.copy_control;
        list.anonymize = source.anonymize;
        list.extensions.clone_from(&source.extensions);
        Self {
            list,
            items: source.children.iter(),
            root,
            place,
        }
    }
}

/// Finds the references in a list and those inside it.
fn references(list: &List, root: usize, found: &mut Vec<Key>) {
    let mut pending = vec![list];
    while let Some(list) = pending.pop() {
        for item in &list.children {
            match item {
                Item::List(inner) => pending.push(inner),
                Item::External(external) => {
                    let anchor = external.anchor.clone().unwrap_or_default();
                    found.push((root, anchor, false));
                }
                Item::EntryRef(entry) => found.push((root, entry.reference.clone(), true)),
                Item::Entry(_) | Item::Other(_) => {}
            }
        }
    }
}
