//! The sequence diagram: one HTML page that needs nothing but itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use super::Moment;

/// A diagram that is being drawn.
#[derive(Debug)]
pub(super) struct Ladder {
    title: String,
    lanes: Vec<String>,
    rows: Vec<Row>,
    /// Messages that are not complete yet, by direction.
    open: BTreeMap<(SocketAddr, SocketAddr), Partial>,
    /// Rows that stand for several chunks, or for the answers to them, by what they have in common.
    groups: BTreeMap<(usize, usize, String), usize>,
    /// The MSRP message that a transaction belongs to, by the answer's direction.
    transactions: BTreeMap<(SocketAddr, SocketAddr, String), String>,
    begun: Option<Moment>,
    left_out: usize,
}

#[derive(Debug, Default)]
struct Partial {
    kept: Vec<u8>,
    octets: usize,
    tail: Vec<u8>,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    from: usize,
    to: usize,
    sip: bool,
    bad: bool,
    label: String,
    raw: String,
    count: usize,
}

impl Ladder {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            lanes: Vec::new(),
            rows: Vec::new(),
            open: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: BTreeMap::new(),
            begun: None,
            left_out: 0,
        }
    }

    /// Takes a piece of a message, and draws the message when it ends.
    pub(super) fn piece(
        &mut self,
        at: Moment,
        from: (&str, SocketAddr),
        to: (&str, SocketAddr),
        sip: bool,
        data: &[u8],
        end: bool,
    ) {
        let partial = self.open.entry((from.1, to.1)).or_default();
        let room = KEPT.saturating_sub(partial.kept.len());
        partial.kept.extend_from_slice(data.get(..room).unwrap_or(data));
        partial.octets = partial.octets.saturating_add(data.len());
        partial
            .tail
            .extend_from_slice(data.get(data.len().saturating_sub(TAIL)..).unwrap_or(data));
        let surplus = partial.tail.len().saturating_sub(TAIL);
        partial.tail.drain(..surplus);
        if end {
            let message = self.open.remove(&(from.1, to.1)).unwrap_or_default();
            if message.kept.iter().any(|octet| !octet.is_ascii_whitespace()) {
                self.message(at, from, to, sip, &message);
            }
        }
    }

    /// Writes the page.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.page())
    }

    fn message(
        &mut self,
        at: Moment,
        from: (&str, SocketAddr),
        to: (&str, SocketAddr),
        sip: bool,
        message: &Partial,
    ) {
        self.begun.get_or_insert(at);
        let text = String::from_utf8_lossy(&message.kept);
        let mut raw = text.clone().into_owned();
        if message.octets > message.kept.len() {
            let _ = write!(
                raw,
                "\n[... {} octets more]",
                message.octets.saturating_sub(message.kept.len())
            );
        }
        let (label, bad, group) = if sip {
            sip_label(&text)
        } else {
            self.msrp_label(&text, &message.tail, from.1, to.1)
        };
        let (from, to) = (self.lane(from.0), self.lane(to.0));
        if let Some(group) = &group
            && let Some(row) = self
                .groups
                .get(&(from, to, group.clone()))
                .and_then(|row| self.rows.get_mut(*row))
        {
            row.count = row.count.saturating_add(1);
            return;
        }
        if self.rows.len() >= ROWS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if let Some(group) = group {
            self.groups.insert((from, to, group), self.rows.len());
        }
        self.rows.push(Row {
            at,
            from,
            to,
            sip,
            bad,
            label,
            raw,
            count: 1,
        });
    }

    /// What to write on the line, whether it says that something failed, and with what it shares a line.
    fn msrp_label(
        &mut self,
        text: &str,
        tail: &[u8],
        from: SocketAddr,
        to: SocketAddr,
    ) -> (String, bool, Option<String>) {
        let mut words = text.lines().next().unwrap_or_default().splitn(4, ' ').skip(1);
        let (transaction, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if what.len() == 3 && what.bytes().all(|octet| octet.is_ascii_digit()) {
            let of = self.transactions.remove(&(from, to, transaction.to_owned()));
            let label = format!("{what} {}", words.next().unwrap_or_default());
            return (
                label,
                !what.starts_with('2'),
                of.map(|message| format!("{what} {message}")),
            );
        }
        let message = field(text, "Message-ID");
        let whole =
            tail.ends_with(b"$\r\n") && field(text, "Byte-Range").is_none_or(|range| range.starts_with("1-"));
        if let (Some(message), "SEND") = (message, what)
            && self.transactions.len() < ROWS
        {
            self.transactions
                .insert((to, from, transaction.to_owned()), message.to_owned());
        }
        let range = field(text, "Byte-Range")
            .map(|range| format!(" {range}"))
            .unwrap_or_default();
        let kind = field(text, "Content-Type")
            .map(|kind| format!(" {kind}"))
            .unwrap_or_default();
        let group = message
            .filter(|_| what == "SEND" && !whole)
            .map(|message| format!("SEND {message}"));
        (format!("{what}{range}{kind}"), false, group)
    }

    fn lane(&mut self, name: &str) -> usize {
        self.lanes
            .iter()
            .position(|lane| lane == name)
            .unwrap_or_else(|| {
                self.lanes.push(name.to_owned());
                self.lanes.len().saturating_sub(1)
            })
    }

    fn page(&self) -> String {
        let drawn: usize = self.rows.iter().map(|row| row.count).sum();
        let mut summary = format!("{drawn} messages between {} parties.", self.lanes.len());
        if self.left_out > 0 {
            let _ = write!(summary, " {} more are not drawn.", self.left_out);
        }
        let raws: Vec<&str> = self.rows.iter().map(|row| row.raw.as_str()).collect();
        // Within a script element only `<` could end it or open a comment.
        let messages = serde_json::to_string(&raws)
            .unwrap_or_default()
            .replace('<', "\\u003c");
        let parts = [
            ("title", escape(&self.title)),
            ("summary", escape(&summary)),
            ("diagram", self.diagram()),
            ("messages", messages),
        ];
        let mut page = String::new();
        for piece in TEMPLATE.split("{{") {
            match piece.split_once("}}") {
                Some((name, rest)) => {
                    page.extend(
                        parts
                            .iter()
                            .find(|(part, _)| *part == name)
                            .map(|(_, value)| value.as_str()),
                    );
                    page.push_str(rest);
                }
                None => page.push_str(piece),
            }
        }
        page
    }

    fn diagram(&self) -> String {
        let width = MARGIN.saturating_add(LANE.saturating_mul(self.lanes.len()));
        let height = ROW.saturating_mul(self.rows.len().saturating_add(1));
        let size = |height: usize| {
            format!("xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"")
        };
        let (mut names, mut lanes) = (String::new(), String::new());
        for (index, lane) in self.lanes.iter().enumerate() {
            let (x, name) = (middle(index), escape(lane));
            let _ = write!(names, "<text class=\"party\" x=\"{x}\" y=\"20\">{name}</text>");
            let _ = write!(
                lanes,
                "<line class=\"lane\" x1=\"{x}\" y1=\"0\" x2=\"{x}\" y2=\"{height}\"/>"
            );
        }
        let mut svg = format!(
            "<svg class=\"parties\" {}>{names}</svg><svg {}>{lanes}",
            size(TOP),
            size(height)
        );
        for (index, row) in self.rows.iter().enumerate() {
            self.draw(&mut svg, index, row, width);
        }
        svg.push_str("</svg>");
        svg
    }

    fn draw(&self, svg: &mut String, index: usize, row: &Row, width: usize) {
        let y = ROW.saturating_mul(index);
        let (from, to) = (middle(row.from), middle(row.to));
        let (text_y, line_y) = (y.saturating_add(13), y.saturating_add(21));
        let center = from.saturating_add(to) / 2;
        let back = if from <= to { "-8" } else { "8" };
        let class = if row.sip { "sip" } else { "msrp" };
        let bad = if row.bad { " bad" } else { "" };
        let millis = row.at.saturating_sub(self.begun.unwrap_or_default()).as_millis();
        let time = format!("{}.{:03}", millis / 1_000, millis % 1_000);
        let full = if row.count > 1 {
            format!("{} ({} times)", row.label, row.count)
        } else {
            row.label.clone()
        };
        let (label, full) = (escape(&shorten(&full, from.abs_diff(to) / LETTER)), escape(&full));
        let _ = write!(
            svg,
            "<g class=\"{class}{bad}\" data-row=\"{index}\" tabindex=\"0\" role=\"button\"><title>{full}</title>\
             <rect x=\"0\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\"/>\
             <text class=\"time\" x=\"6\" y=\"{text_y}\">{time}</text>\
             <text class=\"label\" x=\"{center}\" y=\"{text_y}\">{label}</text>\
             <line x1=\"{from}\" y1=\"{line_y}\" x2=\"{to}\" y2=\"{line_y}\"/>\
             <path d=\"M{to} {line_y}l{back} -4v8z\"/></g>"
        );
    }
}

/// Where a lane is.
fn middle(lane: usize) -> usize {
    MARGIN
        .saturating_add(LANE.saturating_mul(lane))
        .saturating_add(LANE / 2)
}

fn sip_label(text: &str) -> (String, bool, Option<String>) {
    let line = text.lines().next().unwrap_or_default();
    let label = match line.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = field(text, "CSeq")
                .and_then(|value| value.split_whitespace().nth(1))
                .unwrap_or_default();
            return (
                format!("{status} ({method})"),
                status.starts_with(['4', '5', '6']),
                None,
            );
        }
        None => line.strip_suffix(" SIP/2.0").unwrap_or(line),
    };
    (label.to_owned(), false, None)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Cuts a label to what fits between two lanes; a party may also speak to itself.
fn shorten(label: &str, room: usize) -> String {
    let room = room.max(LABEL);
    if label.chars().count() <= room {
        return label.to_owned();
    }
    label.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

const TEMPLATE: &str = include_str!("ladder.html");
/// Octets of a message that can be looked at.
const KEPT: usize = 4096;
const TAIL: usize = 3;
/// Lines of a diagram; a browser draws no more with ease.
const ROWS: usize = 5_000;
/// Letters of the shortest label.
const LABEL: usize = 24;
/// The width of a letter, about.
const LETTER: usize = 7;
const MARGIN: usize = 60;
const LANE: usize = 190;
const TOP: usize = 30;
const ROW: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn nothing_a_peer_sends_becomes_markup() {
        let mut ladder = Ladder::new("a <b>");
        let evil = b"MESSAGE sip:<script>alert(1)</script>&\" SIP/2.0\r\n\r\n</script><!-- {{title}}";
        ladder.piece(Moment::ZERO, ("<img>", at(1)), ("b'", at(2)), true, evil, true);
        let page = ladder.page();
        assert!(!page.contains("<script>alert"));
        assert!(!page.contains("<img>"));
        assert!(!page.contains("<!--"));
        assert!(page.contains("{{title}}"));
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn the_chunks_of_a_message_share_a_line_and_their_answers_too() {
        let mut ladder = Ladder::new("t");
        for (index, flag) in ["+", "+", "$"].iter().enumerate() {
            let first = index * 2 + 1;
            let chunk = format!(
                "MSRP t{index} SEND\r\nMessage-ID: m\r\nByte-Range: {first}-{}/6\r\n\r\nab\r\n-------t{index}{flag}\r\n",
                first + 1
            );
            ladder.piece(
                Moment::ZERO,
                ("a", at(1)),
                ("b", at(2)),
                false,
                chunk.as_bytes(),
                true,
            );
            let answer = format!("MSRP t{index} 200 OK\r\n-------t{index}$\r\n");
            ladder.piece(
                Moment::ZERO,
                ("b", at(2)),
                ("a", at(1)),
                false,
                answer.as_bytes(),
                true,
            );
        }
        let counts: Vec<_> = ladder
            .rows
            .iter()
            .map(|row| (row.label.as_str(), row.count))
            .collect();
        assert_eq!(counts, [("SEND 1-2/6", 3), ("200 OK", 3)]);
    }

    #[test]
    fn large_messages_are_cut() {
        let mut ladder = Ladder::new("t");
        ladder.piece(
            Moment::ZERO,
            ("a", at(1)),
            ("b", at(2)),
            true,
            &vec![b'x'; 3 * KEPT],
            false,
        );
        ladder.piece(Moment::ZERO, ("a", at(1)), ("b", at(2)), true, b"x", true);
        assert!(ladder.rows[0].raw.len() < KEPT + 100);
        assert!(
            ladder.rows[0]
                .raw
                .ends_with(&format!("[... {} octets more]", 2 * KEPT + 1))
        );
    }
}
