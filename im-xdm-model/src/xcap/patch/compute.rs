//! The patch that turns one version of a document into another.
//!
//! Children are matched level by level, from the root down. All changes of one level are made from the last child to
//! the first, so that positions before a change stay what they were; by the time a level is left, its elements have the
//! positions of the new version, and the selectors of what is below use those.

use std::collections::VecDeque;
use std::ops::Range;

use super::align::{Align, Matched};
use super::apply::apply;
use super::compare::{equivalent, nodes};
use super::tree::{DOCUMENT, Kind, Tree};
use super::{Addition, Change, Limits, Operation, WhiteSpace, tag};
use crate::xml::is_space;

/// Finds a patch that turns one version of a document into another.
///
/// `None` when there is no such patch within the limits, or one of the texts is not acceptable as a document; then a
/// client fetches the new version. What is found has been applied once, and gave a document that [`equivalent`] finds
/// the same as the new version.
///
/// # Examples
///
/// ```
/// use im_xdm_model::xcap::patch::{Limits, apply, diff};
///
/// let (old, new) = ("<l><e u='1'/><e u='2'/></l>", "<l><e u='1'/><e u='3'/><e u='2'/></l>");
/// let patch = diff(old, new, &Limits::default()).ok_or("no patch")?;
/// assert_eq!(patch.len(), 1);
/// assert_eq!(apply(old, &patch, &Limits::default())?, new);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diff(before: &str, after: &str, limits: &Limits) -> Option<Vec<Operation>> {
    let old = Tree::parse(before, &limits.xml).ok()?;
    let new = Tree::parse(after, &limits.xml).ok()?;
    let mut differ = Differ {
        align: Align::new(&old, &new)?,
        old: &old,
        new: &new,
        limit: limits.operations,
        operations: Vec::new(),
        pending: VecDeque::from([(DOCUMENT, DOCUMENT, String::new())]),
    };
    while let Some((old, new, path)) = differ.pending.pop_front() {
        differ.attributes(old, new, &path)?;
        differ.children(old, new, &path)?;
    }
    let operations = differ.operations;
    let patched = apply(before, &operations, limits).ok()?;
    equivalent(&patched, after, &limits.xml).then_some(operations)
}

struct Differ<'t> {
    old: &'t Tree<'t>,
    new: &'t Tree<'t>,
    align: Align<'t>,
    limit: usize,
    operations: Vec<Operation>,
    /// Elements that are there before and after, with the way to them.
    pending: VecDeque<(usize, usize, String)>,
}

/// The children of one element, before, after and in between.
struct Level<'p> {
    path: &'p str,
    parent: usize,
    old: Vec<usize>,
    new: Vec<usize>,
    /// The kinds of the children as they are by now.
    now: Vec<Sort>,
}

/// How a selector counts a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Element,
    Text { space: bool },
    Comment,
    Instruction,
}

impl Differ<'_> {
    fn push(&mut self, operation: Operation) -> Option<()> {
        if self.operations.len() >= self.limit {
            return None;
        }
        self.operations.push(operation);
        Some(())
    }

    fn attributes(&mut self, old: usize, new: usize, path: &str) -> Option<()> {
        let (Some(before), Some(after)) = (self.old.start(old), self.new.start(new)) else {
            return Some(());
        };
        if before == after {
            return Some(());
        }
        let find = |tag, name: &str| {
            tag::attributes(tag)
                .find(|read| read.name == name)
                .map(|read| read.value)
        };
        for read in tag::attributes(before) {
            let selector = format!("{path}/@{}", read.name);
            let change = match find(after, read.name) {
                None => Change::Remove { white_space: None },
                Some(value) if value != read.value => Change::Replace {
                    content: character_data(&value),
                },
                Some(_) => continue,
            };
            self.push_bound(new, Operation::new(selector, change))?;
        }
        for read in tag::attributes(after) {
            if find(before, read.name).is_none() {
                let change = Change::Add {
                    what: Addition::Attribute(read.name.to_owned()),
                    content: character_data(&read.value),
                };
                self.push_bound(new, Operation::new(path, change))?;
            }
        }
        Some(())
    }

    /// Adds an operation with the bindings that its names need, as they are at an element of the new version.
    fn push_bound(&mut self, element: usize, mut operation: Operation) -> Option<()> {
        let used = |prefix: &str| {
            let mut texts = vec![operation.selector.as_str()];
            match &operation.change {
                Change::Add { what, content } => {
                    texts.push(content);
                    if let Addition::Attribute(name) = what {
                        texts.push(name);
                    }
                }
                Change::Replace { content } => texts.push(content),
                Change::Remove { .. } => {}
            }
            if prefix.is_empty() {
                return texts.iter().any(|text| text.contains('<'));
            }
            let mark = format!("{prefix}:");
            texts.iter().any(|text| text.contains(&mark))
        };
        let scope = self.new.scope(element);
        let bindings = scope.into_iter().filter(|(prefix, _)| used(prefix)).collect();
        operation.bindings = bindings;
        self.push(operation)
    }

    fn children(&mut self, old: usize, new: usize, path: &str) -> Option<()> {
        let level_of = |tree: &Tree<'_>, at| nodes(tree, at);
        let mut level = Level {
            path,
            parent: new,
            old: level_of(self.old, old),
            new: level_of(self.new, new),
            now: Vec::new(),
        };
        level.now = level
            .old
            .iter()
            .map(|at| sort_of(self.old, *at))
            .collect::<Option<_>>()?;
        let matched = if old == DOCUMENT {
            let root =
                |tree: &Tree<'_>, nodes: &[usize]| nodes.iter().position(|at| tree.root() == Some(*at));
            let (before, after) = (root(self.old, &level.old)?, root(self.new, &level.new)?);
            let ends = (level.old.len(), level.new.len());
            let mut matched = level.matched(&self.align, 0..before, 0..after);
            matched.push(Matched::Pair(before, after));
            matched.extend(level.matched(
                &self.align,
                before.checked_add(1)?..ends.0,
                after.checked_add(1)?..ends.1,
            ));
            matched
        } else {
            level.matched(&self.align, 0..level.old.len(), 0..level.new.len())
        };
        let mut pairs = Vec::new();
        for one in matched.into_iter().rev() {
            match one {
                Matched::Pair(old, new) if self.is_same(&level, old, new) => pairs.push((old, new)),
                Matched::Pair(old, new) => {
                    self.replace(&mut level, old, new, &mut pairs)?;
                }
                Matched::Hunk(old, new) => self.hunk(&mut level, old, new, &mut pairs)?,
            }
        }
        let mut positions = Vec::new();
        let mut elements = 0_usize;
        for at in &level.new {
            elements = elements.saturating_add(usize::from(self.new.start(*at).is_some()));
            positions.push(elements);
        }
        for (old, new) in pairs {
            let below = match positions.get(new)? {
                _ if path.is_empty() => "*".to_owned(),
                position => format!("{path}/*[{position}]"),
            };
            self.pending
                .push_back((*level.old.get(old)?, *level.new.get(new)?, below));
        }
        Some(())
    }

    /// Tells whether two elements can be turned into each other by their attributes and content.
    fn is_same(&self, level: &Level<'_>, old: usize, new: usize) -> bool {
        let before = level.old.get(old).and_then(|at| self.old.start(*at));
        let after = level.new.get(new).and_then(|at| self.new.start(*at));
        let (Some(before), Some(after)) = (before, after) else {
            return false;
        };
        tag::name(before) == tag::name(after) && tag::declarations(before).eq(tag::declarations(after))
    }

    /// Turns some children into others.
    fn hunk(
        &mut self,
        level: &mut Level<'_>,
        mut old: Range<usize>,
        mut new: Range<usize>,
        pairs: &mut Vec<(usize, usize)>,
    ) -> Option<()> {
        loop {
            if old.len() == new.len()
                && old
                    .clone()
                    .zip(new.clone())
                    .all(|(o, n)| self.is_same_sort(level, o, n))
            {
                for (old, new) in old.zip(new).rev() {
                    self.replace(level, old, new, pairs)?;
                }
                return Some(());
            }
            if old.is_empty() {
                return self.insert(level, old.start, new, false);
            }
            if new.is_empty() {
                return self.delete(level, old);
            }
            let is_text = |sort: Option<Sort>| matches!(sort, Some(Sort::Text { .. }));
            let last_old = old.end.saturating_sub(1);
            let last_new = new.end.saturating_sub(1);
            let new_sort = |at: usize| sort_of(self.new, *level.new.get(at)?);
            let now = |at: usize| level.now.get(at).copied();
            if !(is_text(now(old.start)) && is_text(new_sort(last_new))) {
                let added = new.len();
                self.insert(level, old.start, new, false)?;
                return self.delete(level, old.start.checked_add(added)?..old.end.checked_add(added)?);
            }
            if !(is_text(now(last_old)) && is_text(new_sort(new.start))) {
                self.insert(level, last_old, new, true)?;
                return self.delete(level, old);
            }
            // Text at both ends of both: the last of it is replaced, and the rest ends in something else.
            self.replace(level, last_old, last_new, pairs)?;
            old.end = last_old;
            new.end = last_new;
        }
    }

    fn is_same_sort(&self, level: &Level<'_>, old: usize, new: usize) -> bool {
        let old = level.now.get(old).map(|sort| sort.counted());
        let new = level
            .new
            .get(new)
            .and_then(|at| sort_of(self.new, *at))
            .map(Sort::counted);
        old.is_some() && old == new
    }

    /// Replaces a child, or leaves it to be changed if it is an element that can be.
    fn replace(
        &mut self,
        level: &mut Level<'_>,
        old: usize,
        new: usize,
        pairs: &mut Vec<(usize, usize)>,
    ) -> Option<()> {
        if self.is_same(level, old, new) {
            pairs.push((old, new));
            return Some(());
        }
        let selector = level.selector(old)?;
        let content = self.new.write(*level.new.get(new)?);
        if let Some(place) = level.now.get_mut(old) {
            *place = sort_of(self.new, *level.new.get(new)?)?;
        }
        self.push_bound(
            level.parent,
            Operation::new(selector, Change::Replace { content }),
        )
    }

    /// Inserts nodes at a place among the children as they are by now, with one operation.
    fn insert(&mut self, level: &mut Level<'_>, at: usize, new: Range<usize>, after: bool) -> Option<()> {
        let mut content = String::new();
        let mut sorts = Vec::new();
        for node in level.new.get(new)? {
            content.push_str(&self.new.write(*node));
            sorts.push(sort_of(self.new, *node)?);
        }
        let (selector, what) = if after {
            (level.selector(at)?, Addition::After)
        } else if at < level.now.len() {
            (level.selector(at)?, Addition::Before)
        } else if level.path.is_empty() {
            (level.selector(at.checked_sub(1)?)?, Addition::After)
        } else {
            (level.path.to_owned(), Addition::Append)
        };
        let at = if after { at.checked_add(1)? } else { at };
        level.now.splice(at..at, sorts);
        self.push_bound(
            level.parent,
            Operation::new(selector, Change::Add { what, content }),
        )
    }

    /// Removes children, from the end at which no texts come to stand beside each other.
    fn delete(&mut self, level: &mut Level<'_>, mut range: Range<usize>) -> Option<()> {
        let is_text = |level: &Level<'_>, at: usize| matches!(level.now.get(at), Some(Sort::Text { .. }));
        let is_white =
            |level: &Level<'_>, at: usize| matches!(level.now.get(at), Some(Sort::Text { space: true }));
        let forwards = is_text(level, range.end);
        while !range.is_empty() {
            let (mut at, mut white_space, mut count) = if forwards {
                (range.start, None, 1_usize)
            } else {
                (range.end.saturating_sub(1), None, 1)
            };
            if range.len() > 1 && is_white(level, at) {
                // White space goes together with what it stands beside.
                let beside = if forwards {
                    at.saturating_add(1)
                } else {
                    at.saturating_sub(1)
                };
                white_space = Some(if forwards {
                    WhiteSpace::Before
                } else {
                    WhiteSpace::After
                });
                at = beside;
                count = 2;
            }
            let operation = Operation::new(level.selector(at)?, Change::Remove { white_space });
            let first = if forwards {
                range.start
            } else {
                range.end.saturating_sub(count)
            };
            level.now.drain(first..first.checked_add(count)?);
            range.end = range.end.saturating_sub(count);
            self.push(operation)?;
        }
        Some(())
    }
}

impl Level<'_> {
    fn matched(&self, align: &Align<'_>, old: Range<usize>, new: Range<usize>) -> Vec<Matched> {
        align.matched((&self.old, old), (&self.new, new))
    }

    /// Writes the way to a child as it is by now.
    fn selector(&self, at: usize) -> Option<String> {
        let sort = self.now.get(at)?.counted();
        let before = self.now.get(..at)?.iter().filter(|other| other.counted() == sort);
        let position = before.count().checked_add(1)?;
        let slash = if self.path.is_empty() { "" } else { "/" };
        let test = match sort {
            Sort::Element => "*",
            Sort::Text { .. } => "text()",
            Sort::Comment => "comment()",
            Sort::Instruction => "processing-instruction()",
        };
        Some(format!("{}{slash}{test}[{position}]", self.path))
    }
}

impl Sort {
    /// White space counts among the texts.
    fn counted(self) -> Self {
        match self {
            Self::Text { .. } => Self::Text { space: false },
            other => other,
        }
    }
}

fn sort_of(tree: &Tree<'_>, at: usize) -> Option<Sort> {
    Some(match tree.kind(at)? {
        Kind::Element { .. } => Sort::Element,
        Kind::Text(text) => Sort::Text {
            space: text.chars().all(is_space),
        },
        Kind::Comment(_) => Sort::Comment,
        Kind::Instruction(_) => Sort::Instruction,
        Kind::Document | Kind::Filler(_) => return None,
    })
}

/// Writes a value as character data that is read as it is.
fn character_data(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            c => out.push(c),
        }
    }
    out
}
