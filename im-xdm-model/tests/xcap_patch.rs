//! Patches: applied, found, and refused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::path::PathBuf;

use im_xdm_model::xcap::ETag;
use im_xdm_model::xcap::diff::{DocumentChange, XcapDiff};
use im_xdm_model::xcap::patch::{
    Addition, Change, Limits, Operation, PatchErrorKind as Kind, PatchReport, WhiteSpace, apply, diff,
    equivalent, operations,
};
use im_xdm_model::xml;
use proptest::prelude::*;

fn sample(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/rfc");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn add(selector: &str, what: Addition, content: &str) -> Operation {
    let content = content.to_owned();
    Operation::new(selector, Change::Add { what, content })
}

fn replace(selector: &str, content: &str) -> Operation {
    let content = content.to_owned();
    Operation::new(selector, Change::Replace { content })
}

fn remove(selector: &str, white_space: Option<WhiteSpace>) -> Operation {
    Operation::new(selector, Change::Remove { white_space })
}

fn one(document: &str, operation: Operation) -> Result<String, Kind> {
    apply(document, &[operation], &Limits::default()).map_err(|error| error.kind)
}

/// RFC 5261 appendix A, each a document, a patch and what comes out.
#[test]
fn the_examples_of_the_rfc_are_applied() {
    let mut exact = 0;
    for first in (3..=54).step_by(3) {
        // The samples keep the margin of the page, which would count as white space.
        let read = |number: i32, kind: &str| -> String {
            let text = sample(&format!("rfc5261-{number:02}-{kind}.xml"));
            let lines: Vec<&str> = text
                .lines()
                .map(|line| line.strip_prefix("   ").unwrap_or(line))
                .collect();
            lines.join("\n")
        };
        let (before, patch, after) = (
            read(first, "doc"),
            read(first + 1, "diff"),
            read(first + 2, "doc"),
        );
        let namespace = if first == 54 {
            "urn:ietf:params:xml:ns:diff"
        } else {
            ""
        };
        let patch = operations(&patch, namespace, &xml::Limits::default()).unwrap();
        let patched = apply(&before, &patch, &Limits::default()).unwrap();
        // On a page, lines of nothing but white space come and go.
        let lines = |text: &str| -> String {
            let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("\n")
        };
        assert!(
            equivalent(&lines(&patched), &lines(&after), &xml::Limits::default()),
            "{first}: {patched}"
        );
        exact += usize::from(lines(&patched) == lines(&after));
    }
    // Where the RFC shows another way to write the same, only that differs.
    assert!(exact >= 15, "{exact}");
}

//= https://www.rfc-editor.org/rfc/rfc5261#section-4.2.1
//= type=test
//# When
//# the diff document has a default namespace declaration, any element
//# selector without a prefix MUST be evaluated using that namespace.
#[test]
fn names_mean_what_the_patch_binds_them_to() {
    let document = r#"<p:r xmlns:p="urn:p"><p:a/><a/></p:r>"#;
    let in_default = remove("r/a", None).binding("", "urn:p");
    assert_eq!(
        one(document, in_default).unwrap(),
        r#"<p:r xmlns:p="urn:p"><a/></p:r>"#
    );
    let without = remove("x:r/a", None).binding("x", "urn:p");
    assert_eq!(
        one(document, without).unwrap(),
        r#"<p:r xmlns:p="urn:p"><p:a/></p:r>"#
    );
    assert_eq!(one(document, remove("r/a", None)), Err(Kind::UnlocatedNode));
    assert_eq!(
        one(document, remove("y:r", None)),
        Err(Kind::InvalidNamespacePrefix)
    );
}

//= https://www.rfc-editor.org/rfc/rfc5261#section-4.2.3
//= type=test
//# Secondly, the prefix (also empty) of the evaluation context node
//# MUST be chosen if the namespace URIs are equal.
#[test]
fn added_names_get_the_prefixes_of_the_document() {
    let add = |document: &str, content: &str, prefix: &str| {
        one(
            document,
            add("*", Addition::Append, content).binding(prefix, "urn:p"),
        )
    };
    for (document, content, prefix, expected) in [
        // The same prefix, that of the element around it, and the closest before it.
        (
            r#"<q:r xmlns:p="urn:p" xmlns:q="urn:p"/>"#,
            "<p:a/>",
            "p",
            r#"<q:r xmlns:p="urn:p" xmlns:q="urn:p"><p:a/></q:r>"#,
        ),
        (
            r#"<q:r xmlns:a="urn:p" xmlns:q="urn:p"/>"#,
            "<p:a p:b='1' c='2'><p:d/></p:a>",
            "p",
            r#"<q:r xmlns:a="urn:p" xmlns:q="urn:p"><q:a q:b='1' c='2'><q:d/></q:a></q:r>"#,
        ),
        (
            r#"<r xmlns:x="urn:p" xmlns:y="urn:p"/>"#,
            "<xx:a/>",
            "xx",
            r#"<r xmlns:x="urn:p" xmlns:y="urn:p"><x:a/></r>"#,
        ),
        (
            r#"<r xmlns:x="urn:p" xmlns:y="urn:p"/>"#,
            "<a:a/>",
            "a",
            r#"<r xmlns:x="urn:p" xmlns:y="urn:p"><x:a/></r>"#,
        ),
        // A default in either.
        (
            r#"<r xmlns="urn:p"/>"#,
            "<a:a>x</a:a>",
            "a",
            r#"<r xmlns="urn:p"><a>x</a></r>"#,
        ),
        (
            r#"<x:r xmlns:x="urn:p"/>"#,
            "<a>x</a>",
            "",
            r#"<x:r xmlns:x="urn:p"><x:a>x</x:a></x:r>"#,
        ),
        // No default applies to attributes.
        (
            r#"<r xmlns="urn:p" xmlns:x="urn:p"/>"#,
            "<a:a a:b='1'/>",
            "a",
            r#"<r xmlns="urn:p" xmlns:x="urn:p"><a x:b='1'/></r>"#,
        ),
        // What the content declares itself stays as it is.
        (
            r#"<x:r xmlns:x="urn:p"/>"#,
            r#"<a:a xmlns:a="urn:p"><a:b/></a:a>"#,
            "z",
            r#"<x:r xmlns:x="urn:p"><a:a xmlns:a="urn:p"><a:b/></a:a></x:r>"#,
        ),
        // The prefix of the document means something else inside the content.
        (
            r#"<x:r xmlns:x="urn:p"/>"#,
            r#"<x:o xmlns:x="urn:o"><z:i/></x:o>"#,
            "z",
            r#"<x:r xmlns:x="urn:p"><x:o xmlns:x="urn:o"><z:i xmlns:z="urn:p"/></x:o></x:r>"#,
        ),
        // An element in no namespace stays in none.
        (
            r#"<r xmlns="urn:p"/>"#,
            "<a><b/></a>",
            "z",
            r#"<r xmlns="urn:p"><a xmlns=""><b/></a></r>"#,
        ),
    ] {
        assert_eq!(add(document, content, prefix).unwrap(), expected, "{content}");
    }
    //= https://www.rfc-editor.org/rfc/rfc5261#section-4.2.3
    //= type=test
    //# The
    //# agent processing the diff document MUST ensure that the target
    //# document also contains the same namespace declaration.
    assert_eq!(add("<r/>", "<p:a/>", "p"), Err(Kind::InvalidNamespaceUri));
    assert_eq!(add("<r/>", "<other:a/>", "p"), Err(Kind::InvalidNamespacePrefix));
}

#[test]
fn selectors_find_one_node_or_nothing_happens() {
    let document =
        "<r><a id='1'>w</a><a id='2'>y<b>z</b></a><!-- c --><?p d?><a xml:id='i' id=\"it's\"/></r>";
    for (selector, expected) in [
        ("r/a[1]", "w"),
        ("/r/a[@id='1']", "w"),
        ("*/*[@id='1'][1]", "w"),
        ("*/*[1][@id='1']", "w"),
        ("r/a[.='w']", "w"),
        ("r/a[b='z']", "y"),
        ("r/a[.='yz']", "y"),
        ("r/*[2]/b", "z"),
        ("r/a/b", "z"),
        ("*/*/b/text()", "z"),
        ("r/a[@id=\"it's\"]", "xml:id"),
        ("id('i')", "xml:id"),
        ("/id(\"i\")", "xml:id"),
        ("r/comment()", " c "),
        ("r/comment()[1]", " c "),
        ("r/processing-instruction()", "<?p"),
        ("r/processing-instruction('p')[1]", "<?p"),
    ] {
        let left = one(document, remove(selector, None)).unwrap_or_else(|kind| panic!("{selector}: {kind}"));
        assert!(!left.contains(expected), "{selector}: {left}");
        assert!(left.len() < document.len());
    }
    for (selector, kind) in [
        ("r/a", Kind::UnlocatedNode),
        ("r/a[9]", Kind::UnlocatedNode),
        ("r/a[0]", Kind::UnlocatedNode),
        ("r/a[99999999999999999999]", Kind::UnlocatedNode),
        ("r/c", Kind::UnlocatedNode),
        ("r/text()", Kind::UnlocatedNode),
        ("r/processing-instruction('q')", Kind::UnlocatedNode),
        ("id('none')", Kind::UnsupportedIdFunction),
        ("", Kind::InvalidAttributeValue),
        ("/", Kind::InvalidAttributeValue),
        ("//a", Kind::InvalidAttributeValue),
        ("r/a[", Kind::InvalidAttributeValue),
        ("r/a[@id=1]", Kind::InvalidAttributeValue),
        ("r/a[@id='1'", Kind::InvalidAttributeValue),
        ("r/a[last()]", Kind::InvalidAttributeValue),
        ("r/..", Kind::InvalidAttributeValue),
        ("r/@", Kind::InvalidAttributeValue),
        ("r/namespace::", Kind::InvalidAttributeValue),
        ("r/text()[x]", Kind::InvalidAttributeValue),
        ("count(r)", Kind::InvalidAttributeValue),
        ("r/@a/b", Kind::InvalidAttributeValue),
    ] {
        assert_eq!(one(document, remove(selector, None)), Err(kind), "{selector}");
    }
}

#[test]
fn what_cannot_be_fulfilled_has_its_error() {
    let document = "<r a='1' xmlns:p='urn:p' xmlns:q='urn:q'><e>t</e> <q:f/><!-- c --></r>";
    let attribute = |name: &str| Addition::Attribute(name.into());
    let namespace = |prefix: &str| Addition::Namespace(prefix.into());
    for (operation, kind) in [
        (remove("r", None), Kind::InvalidRootElementOperation),
        (
            add("r", Addition::Before, "<x/>"),
            Kind::InvalidRootElementOperation,
        ),
        (add("r", Addition::After, "text"), Kind::InvalidXmlPrologOperation),
        (
            add("r/e/text()", Addition::Append, "<x/>"),
            Kind::InvalidNodeTypes,
        ),
        (add("r/@a", Addition::Append, "<x/>"), Kind::InvalidAttributeValue),
        (add("r", attribute("a"), "2"), Kind::InvalidPatchDirective),
        (add("r", attribute("b"), "<x/>"), Kind::InvalidNodeTypes),
        (
            add("r", attribute("b"), "<![CDATA[x]]>"),
            Kind::InvalidAttributeValue,
        ),
        (add("r", attribute("z:b"), "x"), Kind::InvalidNamespacePrefix),
        (
            add("r", attribute("z:b"), "x").binding("z", "urn:z"),
            Kind::InvalidNamespaceUri,
        ),
        (add("r", attribute("xmlns"), "x"), Kind::InvalidAttributeValue),
        (add("r/e/text()", attribute("b"), "x"), Kind::InvalidNodeTypes),
        (add("r", namespace("p"), "urn:p"), Kind::InvalidPatchDirective),
        (
            add("r/e", namespace("p"), "urn:other"),
            Kind::InvalidNamespacePrefix,
        ),
        (add("r", namespace("z"), ""), Kind::InvalidNamespaceUri),
        (add("r", namespace("xml"), "urn:z"), Kind::InvalidNamespacePrefix),
        (add("r", Addition::Append, "<x>"), Kind::InvalidDiffFormat),
        (
            add("r", Addition::Append, "</content><content>"),
            Kind::InvalidDiffFormat,
        ),
        (
            add("r", Addition::Append, "&nbsp;"),
            Kind::InvalidEntityDeclaration,
        ),
        (replace("r/e", "text"), Kind::InvalidNodeTypes),
        (replace("r/e", ""), Kind::InvalidNodeTypes),
        (replace("r/e", "<x/><y/>"), Kind::InvalidNodeTypes),
        (replace("r/e", "<!-- c -->"), Kind::InvalidNodeTypes),
        (replace("r/comment()", "<x/>"), Kind::InvalidNodeTypes),
        (replace("r/e/text()", "<x/>"), Kind::InvalidNodeTypes),
        (replace("r/e/namespace::p", "urn:x"), Kind::InvalidNamespaceUri),
        (replace("r/namespace::p", ""), Kind::InvalidNamespaceUri),
        (replace("r/namespace::z", "urn:x"), Kind::UnlocatedNode),
        (remove("r/namespace::q", None), Kind::InvalidNamespacePrefix),
        (remove("r/e/namespace::p", None), Kind::InvalidNamespaceUri),
        (
            remove("r/e", Some(WhiteSpace::Before)),
            Kind::InvalidWhitespaceDirective,
        ),
        (
            remove("r/e", Some(WhiteSpace::Both)),
            Kind::InvalidWhitespaceDirective,
        ),
        (
            remove("r/e/text()", Some(WhiteSpace::After)),
            Kind::InvalidPatchDirective,
        ),
        (
            remove("r/@a", Some(WhiteSpace::After)),
            Kind::InvalidPatchDirective,
        ),
    ] {
        assert_eq!(one(document, operation.clone()), Err(kind), "{operation:?}");
    }
    let error = apply(
        document,
        &[remove("r/@a", None), remove("r/@a", None)],
        &Limits::default(),
    )
    .unwrap_err();
    assert_eq!((error.operation, error.kind), (1, Kind::UnlocatedNode));
    assert_eq!(error.to_string(), "operation 1: unlocated node");
}

#[test]
fn everything_around_a_change_stays_as_it_is() {
    let document =
        "<?xml version='1.0'?>\n<!-- p --><r  a='&lt;\"' ><e\n/>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n";
    for (operation, expected) in [
        (
            replace("r/@a", "'\n\"&amp;"),
            "<?xml version='1.0'?>\n<!-- p --><r  a='&apos;&#10;\"&amp;' ><e\n/>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n",
        ),
        (
            add("r/e", Addition::Append, "<![CDATA[y]]>"),
            "<?xml version='1.0'?>\n<!-- p --><r  a='&lt;\"' ><e\n><![CDATA[y]]></e>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n",
        ),
        (
            remove("r/e", None),
            "<?xml version='1.0'?>\n<!-- p --><r  a='&lt;\"' >x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n",
        ),
        (
            remove("comment()", None),
            "<?xml version='1.0'?>\n<r  a='&lt;\"' ><e\n/>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n",
        ),
        (
            add("processing-instruction('z')", Addition::After, "\n<!-- q -->"),
            "<?xml version='1.0'?>\n<!-- p --><r  a='&lt;\"' ><e\n/>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n<!-- q -->\n",
        ),
        (
            replace("r", "<s/>"),
            "<?xml version='1.0'?>\n<!-- p --><s/><?z?>\n",
        ),
        (
            add("r", Addition::Attribute("b".into()), "1"),
            "<?xml version='1.0'?>\n<!-- p --><r  a='&lt;\"' b=\"1\" ><e\n/>x<![CDATA[<]]>&#65;<f></f></r ><?z?>\n",
        ),
    ] {
        assert_eq!(one(document, operation).unwrap(), expected);
    }
    // Texts that come to stand beside each other are one, and say the same as before.
    assert_eq!(
        one("<r>a]]<x/>&gt;b</r>", remove("r/x", None)).unwrap(),
        "<r>a]]&gt;b</r>"
    );
    assert_eq!(
        apply(
            "<r>a]]<x/></r>",
            &[add("r", Addition::Append, "&#62;"), remove("r/x", None)],
            &Limits::default()
        )
        .unwrap(),
        "<r>a]]&#62;</r>"
    );
    let joined = one("<r>a]<x/>]</r>", replace("r/text()[2]", "]&gt;")).unwrap();
    assert_eq!(one(&joined, remove("r/x", None)).unwrap(), "<r>a]]&gt;</r>");
    assert_eq!(
        one("<r>]]<x/>></r>", remove("r/x", None)).unwrap(),
        "<r>]]&gt;</r>"
    );
}

#[test]
fn patches_have_limits() {
    let document = "<r><a/><a/><a/></r>";
    let mut limits = Limits::default();
    limits.operations = 2;
    let operations = vec![add("r", Addition::Append, "<b/>"); 3];
    assert_eq!(
        apply(document, &operations, &limits).unwrap_err().kind,
        Kind::TooLarge
    );
    assert!(apply(document, &operations[..2], &limits).is_ok());
    limits.visits = 4;
    assert_eq!(apply(document, &operations[..2], &limits).map(|_| ()), Ok(()));
    limits.visits = 1;
    assert_eq!(
        apply(document, &operations[..2], &limits).unwrap_err().kind,
        Kind::TooLarge
    );
    limits = Limits::default();
    limits.steps = 2;
    assert_eq!(
        apply(document, &[remove("r/a[1]/b", None)], &limits)
            .unwrap_err()
            .kind,
        Kind::TooLarge
    );
    limits = Limits::default();
    limits.xml.octets = document.len() + 3;
    assert_eq!(
        apply(document, &operations[..1], &limits).unwrap_err().kind,
        Kind::TooLarge
    );
    // So many changes that the new version is cheaper.
    let many = |name: &str| -> String {
        let inner: Vec<String> = (0..50).map(|n| format!("<e id='{n}'><{name}/></e>")).collect();
        format!("<r>{}</r>", inner.concat())
    };
    limits = Limits::default();
    limits.operations = 10;
    assert_eq!(diff(&many("x"), &many("y"), &limits), None);
    assert_eq!(diff("<r>", "<r/>", &limits), None);
}

#[test]
fn the_patch_for_a_change_is_small() {
    let document =
        "<l xmlns='urn:l' xmlns:p='urn:p'>\n <e u='1'><p:n>A</p:n></e>\n <e u='2'/>\n <e u='3'/>\n</l>";
    for (after, expected) in [
        (document.to_owned(), vec![]),
        (
            document.replace(" <e u='2'/>\n", ""),
            vec![remove("*/*[2]", Some(WhiteSpace::After))],
        ),
        (
            document.replace(" <e u='2'/>\n", " <e u='2'/>\n <p:x/>\n"),
            vec![
                add("*/*[3]", Addition::Before, "<p:x/>\n ")
                    .binding("", "urn:l")
                    .binding("p", "urn:p"),
            ],
        ),
        (
            document.replace(">A<", ">B &amp; C<"),
            vec![replace("*/*[1]/*[1]/text()[1]", "B &amp; C")],
        ),
        (
            document.replace("u='3'", "u='4' p:v='5'"),
            vec![
                replace("*/*[3]/@u", "4"),
                add("*/*[3]", Addition::Attribute("p:v".into()), "5").binding("p", "urn:p"),
            ],
        ),
    ] {
        let patch = diff(document, &after, &Limits::default()).unwrap();
        assert_eq!(patch, expected);
        let patched = apply(document, &patch, &Limits::default()).unwrap();
        assert!(equivalent(&patched, &after, &xml::Limits::default()));
    }
}

#[test]
fn reports_of_errors_are_read_and_written() {
    let report = PatchReport::parse(
        sample("rfc5261-01-patch-ops-error.xml").as_bytes(),
        &xml::Limits::default(),
    )
    .unwrap();
    assert_eq!(report.kind, Kind::UnlocatedNode);
    assert_eq!(
        report.operation.as_ref().unwrap().attribute("sel"),
        Some("id(\"ert4773\")")
    );
    assert_eq!(
        PatchReport::parse(&report.write(), &xml::Limits::default()).unwrap(),
        report
    );
    assert!(PatchReport::parse(b"<patch-ops-error/>", &xml::Limits::default()).is_err());
}

/// Makes a document of choices: the same choices give the same document, and few other choices a similar one.
fn document(choices: &[u8]) -> String {
    let mut out = String::from("<r xmlns=\"urn:r\" xmlns:p=\"urn:p\">");
    let mut open: Vec<&str> = Vec::new();
    for choice in choices {
        let (what, which) = (choice % 16, choice / 16);
        match what {
            0..=3 if open.len() < 6 => {
                let name = ["a", "b", "p:c", "d"][usize::from(what)];
                let tag = match which {
                    0 => format!("<{name}>"),
                    1..=5 => format!("<{name} id=\"{which}\">"),
                    6 => format!("<{name} x='&#10;\"' p:y=\"&lt;&amp;'\">"),
                    7 => format!("<{name} xmlns:q=\"urn:q\" q:z=\"1\">"),
                    8 => format!("<{name}  xmlns:p=\"urn:p\" >"),
                    9 => format!("<{name} x=\"2\" id=\"1\">"),
                    _ => format!("<{name} id=\"{which}\" x=\"{which}\">"),
                };
                out.push_str(&tag);
                open.push(name);
            }
            4..=7 => {
                if let Some(name) = open.pop() {
                    write!(out, "</{name}>").unwrap();
                }
            }
            8 | 9 => out.push_str("\n "),
            10 => out.push_str(["t", "u]]", "&gt;", "<![CDATA[<v]]>"][usize::from(which % 4)]),
            11 => write!(out, "<!-- {which} -->").unwrap(),
            12 => write!(out, "<?p {which}?>").unwrap(),
            _ => write!(out, "<e id=\"{which}\"/>").unwrap(),
        }
    }
    for name in open.into_iter().rev() {
        write!(out, "</{name}>").unwrap();
    }
    out.push_str("</r>");
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_patch_between_two_versions_makes_one_the_other(
        choices in proptest::collection::vec(any::<u8>(), 0..60),
        edits in proptest::collection::vec((0..60_usize, any::<u8>(), 0..3_u8), 0..6),
    ) {
        let mut changed = choices.clone();
        for (at, choice, kind) in edits {
            let at = at.min(changed.len());
            match kind {
                0 => changed.insert(at, choice),
                1 if at < changed.len() => changed[at] = choice,
                _ if at < changed.len() => { changed.remove(at); }
                _ => {}
            }
        }
        let (before, after) = (document(&choices), document(&changed));
        let limits = Limits::default();
        let patch = diff(&before, &after, &limits);
        prop_assert!(patch.is_some(), "{before}\n{after}");
        let patch = patch.unwrap();
        let patched = apply(&before, &patch, &limits).unwrap();
        prop_assert!(equivalent(&patched, &after, &limits.xml), "{before}\n{after}\n{patch:?}\n{patched}");
        // An operation stays the same when it is told in a report.
        let mut change = DocumentChange::changed("a/users/sip:a@b/index", &ETag::new("1"), &ETag::new("2"));
        change.patch = Some(patch).filter(|patch| !patch.is_empty());
        let mut report = XcapDiff::new("http://x/");
        report.components.push(change.into());
        let read = XcapDiff::parse(&report.write(), &limits.xml).unwrap();
        prop_assert_eq!(&read, &report);
    }

    #[test]
    fn documents_that_have_nothing_in_common_are_patched_too(
        one in proptest::collection::vec(any::<u8>(), 0..40),
        other in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let limits = Limits::default();
        let before = format!("<!-- a --><?b?>{}<!-- c -->", document(&one));
        let after = format!("<?d?>\n{}\n<!-- c --><?e?>", document(&other).replace("<r ", "<s ").replace("</r>", "</s>"));
        for (before, after) in [(&before, &after), (&after, &before)] {
            let patch = diff(before, after, &limits).unwrap();
            prop_assert!(equivalent(&apply(before, &patch, &limits).unwrap(), after, &limits.xml));
        }
    }

    #[test]
    fn any_selector_is_read_or_refused(selector in "[a-c/@*:\\[\\]='\"().1textcominspa-]{0,40}") {
        let document = "<a b='c'><b>t</b><!-- c --><c a='b'/></a>";
        for operation in [remove(&selector, None), replace(&selector, "<a/>"), add(&selector, Addition::Append, "t")] {
            let _ = one(document, operation);
        }
    }
}
