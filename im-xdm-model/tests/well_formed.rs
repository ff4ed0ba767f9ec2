//! What is not well-formed, or is dangerous, is refused; what is well-formed is read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use im_xdm_model::document::ResourceLists;
use im_xdm_model::list::{Options, recipients};
use im_xdm_model::xml::{Element, Limits, Name, Writer, XmlErrorKind, XmlErrorKind as Kind};
use proptest::prelude::*;

fn parse(input: &[u8]) -> Result<Element, XmlErrorKind> {
    Element::parse(input, &Limits::default()).map_err(|e| e.kind)
}

#[test]
fn ill_formed_documents_are_refused() {
    let wrong: Vec<_> = ILL_FORMED
        .iter()
        .map(|(input, kind)| {
            (
                String::from_utf8_lossy(input),
                parse(input).map_err(|found| (found, *kind)),
            )
        })
        .filter(|(_, read)| !matches!(read, Err((found, kind)) if found == kind))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn well_formed_documents_are_read() {
    let cases: &[&[u8]] = &[
        b"<a/>",
        b"\xEF\xBB\xBF<?xml version='1.0'?><a/>",
        b"<?xml version = \"1.0\" encoding='UTF-8' standalone='no' ?>\r\n<a></a >\n<!-- end -->\n<?done?>",
        b"<a b = 'x>y' c=\"'\"/>",
        b"<a><![CDATA[<b>&]]></a>",
        b"<a>]]&gt; &#x10FFFF; &quot;&apos;</a>",
        b"<a xmlns='u'><b xmlns=''/></a>",
        b"<a xml:lang='en' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<\u{e9}l\u{e9}ment \u{b7}='x'/>"
            .replace('\u{b7}', "_\u{b7}")
            .leak()
            .as_bytes(),
        b"<a p:b='1' b='2' xmlns:p='u'/>",
        b"<?xml-stylesheet href='x'?><a/>",
    ];
    for input in cases {
        assert!(
            parse(input).is_ok(),
            "{} {:?}",
            String::from_utf8_lossy(input),
            parse(input)
        );
    }
}

#[test]
fn names_text_and_attributes_are_resolved() {
    let root = parse(b"<p:a xmlns:p='urn:p' c=' 1\r\n2\t&#10; '>x\r\ny<![CDATA[&]]>&#65;<b/></p:a>").unwrap();
    assert!(root.is("urn:p", "a"));
    assert_eq!(root.attribute("c"), Some(" 1 2 \n "));
    assert_eq!(root.text(), "x\ny&A");
    assert!(root.elements().next().unwrap().is("", "b"));
}

#[test]
fn every_limit_holds() {
    let mut limits = Limits::default();
    limits.octets = 10;
    let kind = |text: &str, limits: &Limits| Element::parse(text.as_bytes(), limits).map_err(|e| e.kind);
    assert_eq!(kind("<abcdefgh/>", &limits).unwrap_err(), XmlErrorKind::TooLarge);

    let limits = Limits::default();
    let deep = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
    assert!(kind(&deep(limits.depth), &limits).is_ok());
    assert_eq!(
        kind(&deep(limits.depth + 1), &limits).unwrap_err(),
        XmlErrorKind::TooDeep
    );

    let wide = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
    assert!(kind(&wide(limits.elements), &limits).is_ok());
    assert_eq!(
        kind(&wide(limits.elements + 1), &limits).unwrap_err(),
        XmlErrorKind::TooManyElements
    );

    let attributes = |n: usize| {
        format!(
            "<a{}/>",
            (0..n).map(|i| format!(" b{i}=''")).collect::<Vec<_>>().concat()
        )
    };
    assert!(kind(&attributes(limits.attributes), &limits).is_ok());
    assert_eq!(
        kind(&attributes(limits.attributes + 1), &limits).unwrap_err(),
        XmlErrorKind::TooManyAttributes
    );
    assert_eq!(
        kind(&attributes(80_000), &limits).unwrap_err(),
        XmlErrorKind::TooManyAttributes
    );

    let namespaces = |n: usize| {
        format!(
            "<a{}/>",
            (0..n)
                .map(|i| format!(" xmlns:p{i}='u{i}'"))
                .collect::<Vec<_>>()
                .concat()
        )
    };
    assert!(kind(&namespaces(limits.namespaces), &limits).is_ok());
    assert_eq!(
        kind(&namespaces(limits.namespaces + 1), &limits).unwrap_err(),
        XmlErrorKind::TooManyNamespaces
    );

    let siblings = |n: usize| {
        format!(
            "<a>{}</a>",
            (0..n)
                .map(|i| format!("<b xmlns='u{i}'/>"))
                .collect::<Vec<_>>()
                .concat()
        )
    };
    assert!(kind(&siblings(limits.namespaces), &limits).is_ok());
    assert_eq!(
        kind(&siblings(limits.namespaces + 1), &limits).unwrap_err(),
        XmlErrorKind::TooManyNamespaces
    );

    let name = |n: usize| format!("<{}/>", "a".repeat(n));
    assert!(kind(&name(limits.name_octets), &limits).is_ok());
    assert_eq!(
        kind(&name(limits.name_octets + 1), &limits).unwrap_err(),
        XmlErrorKind::BadName
    );

    let long = format!("<a xmlns='{}'/>", "u".repeat(limits.namespace_octets + 1));
    assert_eq!(kind(&long, &limits).unwrap_err(), XmlErrorKind::BadNamespace);
}

#[test]
fn the_deepest_document_fits_into_a_small_stack() {
    let limits = Limits::default();
    let inner = limits.depth - 2;
    let lists = format!(
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list>{}{}</list></resource-lists>",
        "<list>".repeat(inner),
        "</list>".repeat(inner)
    );
    let run = move || {
        let root = Element::parse(lists.as_bytes(), &limits).unwrap();
        assert_eq!(root.clone(), root);
        let read = ResourceLists::parse(&root.to_bytes(), &limits).unwrap();
        assert_eq!(ResourceLists::parse(&read.write(), &limits).as_ref(), Ok(&read));
        assert!(recipients(&read, &Options::default()).unwrap().is_empty());
    };
    let thread = std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(run)
        .unwrap();
    assert!(thread.join().is_ok());
}

#[test]
fn control_characters_do_not_get_into_what_is_written() {
    let mut root = Element::new(Name::new(None, "a").unwrap());
    root.set_attribute(Name::new(None, "b").unwrap(), "\u{0}\"'<>&\u{FFFF}");
    root.push_text("]]>\u{1}<!--");
    let read = parse(&root.to_bytes()).unwrap();
    assert_eq!(read.attribute("b"), Some("\u{FFFD}\"'<>&\u{FFFD}"));
    assert_eq!(read.text(), "]]>\u{FFFD}<!--");
}

fn name() -> impl Strategy<Value = Name> {
    (
        proptest::option::of("urn:[a-c]"),
        "[a-zA-Z_\u{e9}][a-z0-9.-]{0,5}",
    )
        .prop_map(|(namespace, local)| Name::new(namespace.as_deref(), &local).unwrap())
}

fn element() -> impl Strategy<Value = Element> {
    let attributes = || proptest::collection::vec((name(), any::<String>()), 0..4);
    let leaf = (name(), attributes(), any::<String>()).prop_map(|(name, attributes, text)| {
        let mut element = Element::new(name);
        for (name, value) in attributes {
            element.set_attribute(name, value);
        }
        element.push_text(&text);
        element
    });
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (
            name(),
            attributes(),
            proptest::collection::vec((inner, any::<String>()), 0..4),
        )
            .prop_map(|(name, attributes, children)| {
                let mut element = Element::new(name);
                for (name, value) in attributes {
                    element.set_attribute(name, value);
                }
                for (child, text) in children {
                    element.push(child);
                    element.push_text(&text);
                }
                element
            })
    })
}

/// Replaces what no document may hold, as the writer does.
fn legal(element: &Element) -> Element {
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| match c {
                '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'.. => c,
                _ => '\u{FFFD}',
            })
            .collect()
    };
    let mut copy = Element::new(element.name().clone());
    for attribute in element.attributes() {
        copy.set_attribute(attribute.name.clone(), clean(&attribute.value));
    }
    for node in element.children() {
        match node {
            im_xdm_model::xml::Node::Element(child) => copy.push(legal(child)),
            im_xdm_model::xml::Node::Text(text) => copy.push_text(&clean(text)),
            _ => {}
        }
    }
    copy
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(element in element()) {
        let written = element.to_bytes();
        let read = parse(&written);
        prop_assert_eq!(read.as_ref(), Ok(&legal(&element)), "{}", String::from_utf8_lossy(&written));
        prop_assert_eq!(Writer::new().write(&read.unwrap()), written);
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&octets);
    }

    #[test]
    fn any_markup_is_read_or_refused(text in "[<>/?!\\[\\]&;:=\"' \\-a-cx#\u{e9}0\n]{0,60}") {
        let _ = parse(text.as_bytes());
        let _ = parse(format!("<a xmlns:b='c'>{text}</a>").as_bytes());
    }
}

/// One document for each way of being ill-formed, and what it is refused for.
const ILL_FORMED: &[(&[u8], Kind)] = &[
    (b"", Kind::NoRoot),
    (b"   ", Kind::NoRoot),
    (b"<!-- only -->", Kind::NoRoot),
    (b"<?xml version='1.0'?>", Kind::NoRoot),
    (b"<a/><b/>", Kind::SecondRoot),
    (b"<a></a><a></a>", Kind::SecondRoot),
    (b"x<a/>", Kind::TextOutsideRoot),
    (b"<a/>x", Kind::TextOutsideRoot),
    (b"<a/>&#32;", Kind::TextOutsideRoot),
    (b"<![CDATA[x]]><a/>", Kind::TextOutsideRoot),
    (b"<a/><![CDATA[]]>", Kind::TextOutsideRoot),
    (b"\xEF\xBB\xBF\xEF\xBB\xBF<a/>", Kind::TextOutsideRoot),
    (b"<a", Kind::Unterminated),
    (b"<a>", Kind::MismatchedTag),
    (b"<a><b></a></b>", Kind::MismatchedTag),
    (b"</a>", Kind::MismatchedTag),
    (b"<a></a></a>", Kind::MismatchedTag),
    (b"<a></A>", Kind::MismatchedTag),
    (b"<a></ a>", Kind::MismatchedTag),
    (b"<a b='1' b='2'/>", Kind::RepeatedAttribute),
    (
        b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        Kind::RepeatedAttribute,
    ),
    (b"<a xmlns='u' xmlns='v'/>", Kind::RepeatedAttribute),
    (b"<a b=1/>", Kind::BadAttribute),
    (b"<a b/>", Kind::BadAttribute),
    (b"<a b='1'c='2'/>", Kind::BadAttribute),
    (b"<a b='<'/>", Kind::BadAttribute),
    (b"<a / >", Kind::BadAttribute),
    (b"<a b='1' / c='2'/>", Kind::BadAttribute),
    (b"<a b='&'/>", Kind::BadReference),
    (b"<a b='&lt'/>", Kind::BadReference),
    (b"<a>&</a>", Kind::BadReference),
    (b"<a>&nbsp;</a>", Kind::BadReference),
    (b"<a>&#0;</a>", Kind::BadReference),
    (b"<a>&#xFFFE;</a>", Kind::BadReference),
    (b"<a>&#xD800;</a>", Kind::BadReference),
    (b"<a>&#x110000;</a>", Kind::BadReference),
    (b"<a>&amp ;</a>", Kind::BadReference),
    (b"<a>]]></a>", Kind::CdataEnd),
    (b"<a>\x00</a>", Kind::ForbiddenCharacter),
    (b"<a>\x0B</a>", Kind::ForbiddenCharacter),
    (b"<a b='\x1F'/>", Kind::ForbiddenCharacter),
    (b"<a>\xEF\xBF\xBE</a>", Kind::ForbiddenCharacter),
    (b"<a>\xFF</a>", Kind::NotUtf8),
    (b"<a>\xC0\x80</a>", Kind::NotUtf8),
    (b"<a>\xED\xA0\x80</a>", Kind::NotUtf8),
    (b"\xFF\xFE<\x00a\x00/\x00>\x00", Kind::UnsupportedEncoding),
    (
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        Kind::UnsupportedEncoding,
    ),
    (
        b"<?xml version='1.0' encoding='utf-16'?><a/>",
        Kind::UnsupportedEncoding,
    ),
    (b" <?xml version='1.0'?><a/>", Kind::BadDeclaration),
    (b"<!-- --><?xml version='1.0'?><a/>", Kind::BadDeclaration),
    (b"<a><?xml version='1.0'?></a>", Kind::BadDeclaration),
    (
        b"<?xml version='1.0'?><?xml version='1.0'?><a/>",
        Kind::BadDeclaration,
    ),
    (b"<?xml?><a/>", Kind::BadDeclaration),
    (b"<?xml encoding='utf-8'?><a/>", Kind::BadDeclaration),
    (b"<?xml version='2.0'?><a/>", Kind::BadDeclaration),
    (
        b"<?xml version='1.0' standalone='maybe'?><a/>",
        Kind::BadDeclaration,
    ),
    (
        b"<?xml version='1.0' standalone='yes' encoding='utf-8'?><a/>",
        Kind::BadDeclaration,
    ),
    (b"<?xml version='1.0'encoding='utf-8'?><a/>", Kind::BadDeclaration),
    (b"<?xml version=1.0?><a/>", Kind::BadDeclaration),
    (b"<1a/>", Kind::BadName),
    (b"<a:b:c xmlns:a='u'/>", Kind::BadName),
    (b"<:a/>", Kind::BadName),
    (b"<a:/>", Kind::BadName),
    (b"<a><-b/></a>", Kind::BadName),
    (b"<a 1b='c'/>", Kind::BadName),
    (b"<xmlns:a/>", Kind::BadName),
    (b"<p:a/>", Kind::UnboundPrefix),
    (b"<a p:b='c'/>", Kind::UnboundPrefix),
    (b"<a><b xmlns:p='u'/><p:c/></a>", Kind::UnboundPrefix),
    (b"<a xmlns:p=''/>", Kind::BadNamespace),
    (b"<a xmlns:xmlns='u'/>", Kind::BadNamespace),
    (b"<a xmlns:xml='u'/>", Kind::BadNamespace),
    (
        b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        Kind::BadNamespace,
    ),
    (b"<a xmlns='http://www.w3.org/2000/xmlns/'/>", Kind::BadNamespace),
    (b"<a xmlns:1='u'/>", Kind::BadName),
    (b"<a xmlns:='u'/>", Kind::BadName),
    (b"<a><!-- a -- b --></a>", Kind::BadComment),
    (b"<a><!-- a ---></a>", Kind::BadComment),
    (b"<a><!-- a </a>", Kind::Unterminated),
    (b"<a><![CDATA[ </a>", Kind::Unterminated),
    (b"<a><?p </a>", Kind::Unterminated),
    (b"<a><?XML x?></a>", Kind::BadInstruction),
    (b"<a><? x?></a>", Kind::BadInstruction),
    (b"<a><?a:b x?></a>", Kind::BadInstruction),
    (b"<!DOCTYPE a><a/>", Kind::DocumentType),
    (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", Kind::DocumentType),
    (
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        Kind::DocumentType,
    ),
];
