//! Reading a list of ten thousand entries into the model, against the tokens alone and against another tree.

use benches::Comparison;
use im_xdm_model::document::ResourceLists;
use im_xdm_model::xml::{Element, Limits};
use quick_xml::events::Event;

const ENTRIES: usize = 10_000;

fn main() {
    let entries: Vec<String> = (0..ENTRIES)
        .map(|number| {
            format!(
                "    <entry uri=\"sip:user{number}@example.com\">\n      <display-name>User number {number}</display-name>\n    </entry>\n"
            )
        })
        .collect();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n  \
         <list name=\"friends\">\n{}  </list>\n</resource-lists>\n",
        entries.concat()
    );
    let mut limits = Limits::default();
    limits.octets = text.len();
    let read = || ResourceLists::parse(text.as_bytes(), &limits).map(|lists| lists.lists.len());
    assert_eq!(read(), Ok(1));
    let entries = |label| Comparison::new(label, text.len(), ENTRIES);
    entries("xdm_parse/list of 10000 into the model").run(read, "bare quick-xml events", || events(&text));
    entries("xdm_parse/list of 10000 into the model").run(read, "roxmltree's tree", || {
        roxmltree::Document::parse(&text).map(|tree| tree.root_element().has_children())
    });
    entries("xdm_parse/list of 10000 into a tree").run(
        || Element::parse(text.as_bytes(), &limits).map(|root| root.children().len()),
        "roxmltree's tree",
        || roxmltree::Document::parse(&text).map(|tree| tree.root_element().has_children()),
    );
}

/// Every token of a text, and nothing done with it.
fn events(text: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut count = 0;
    while let Ok(event) = reader.read_event() {
        if matches!(event, Event::Eof) {
            break;
        }
        count += 1;
    }
    count
}
