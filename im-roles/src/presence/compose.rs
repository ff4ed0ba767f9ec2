//! One presence document out of all that a user has published.

use std::collections::BTreeSet;

use im_xdm_model::document::pidf::{Basic, Presence as Document, Tuple};
use im_xdm_model::xml;
use sip_im::publication::Published;

/// Puts publications together, those changed last at the end. Each is of one source, so what two of them call by the same name is
/// not the same.
pub(super) fn compose<'a>(entity: &str, publications: impl Iterator<Item = &'a Published>) -> Document {
    let mut whole = Document::new(entity);
    let mut names = BTreeSet::new();
    let mut published = false;
    for publication in publications {
        // It was read before it was taken.
        let Ok(mut part) = Document::parse(&publication.body, &xml::Limits::default()) else {
            continue;
        };
        published = true;
        let mut name = |id: &mut String| {
            let mut unique = id.clone();
            let mut count = 1_u32;
            while !names.insert(unique.clone()) {
                count = count.saturating_add(1);
                unique = format!("{id}-{count}");
            }
            *id = unique;
        };
        part.tuples.iter_mut().for_each(|tuple| name(&mut tuple.id));
        part.persons.iter_mut().for_each(|person| name(&mut person.id));
        part.devices.iter_mut().for_each(|device| name(&mut device.id));
        whole.tuples.append(&mut part.tuples);
        whole.persons.append(&mut part.persons);
        whole.devices.append(&mut part.devices);
        whole.notes.append(&mut part.notes);
        whole.extensions.elements.append(&mut part.extensions.elements);
    }
    if published { whole } else { unavailable(entity) }
}

/// What there is to say of somebody who has published nothing, and what those learn who are turned away politely: the two are
/// not to be told apart.
///
//= https://www.rfc-editor.org/rfc/rfc5025#section-3.2.1
//# A reasonable
//# document would exclude device and person information elements, and
//# include only a single service whose basic status is set to closed
//# [3].
pub(super) fn unavailable(entity: &str) -> Document {
    let mut document = Document::new(entity);
    let mut tuple = Tuple::new("unavailable");
    tuple.basic = Some(Basic::Closed);
    document.tuples.push(tuple);
    document
}
