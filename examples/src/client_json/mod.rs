//! What im-client reads and writes: commands and events, one JSON object a line.

mod event;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use im_roles::client::{
    Client, CommandError, CommandId, Content, Event, ListEntry, MessageRequest, Notifications, SessionKey,
};
use im_xdm_model::document::CopyControl;
use serde::Deserialize;
use serde_json::{Value, json};
use sip_im::{ContentType, Uri};

/// A command.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "do", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the variants and fields are those of the command language"
)]
#[non_exhaustive]
pub enum Command {
    Register {},
    Unregister {},
    Message {
        to: Option<String>,
        to_nickname: Option<String>,
        text: String,
        imdn: Option<Imdn>,
        expires: Option<u64>,
        #[serde(default)]
        privacy: bool,
    },
    Displayed {
        message_id: String,
    },
    Chat {
        to: String,
    },
    Group {
        members: Vec<Member>,
        subject: Option<String>,
    },
    Join {
        uri: String,
        #[serde(default)]
        privacy: bool,
    },
    Accept {
        session: Session,
        #[serde(default)]
        privacy: bool,
    },
    Decline {
        session: Session,
        status: Option<u16>,
    },
    Say {
        session: Session,
        text: String,
        to: Option<String>,
        #[serde(default)]
        report: bool,
    },
    Composing {
        session: Session,
        #[serde(default = "yes")]
        active: bool,
    },
    Nickname {
        session: Session,
        name: String,
    },
    Add {
        session: Session,
        uri: String,
    },
    Expel {
        session: Session,
        uri: String,
    },
    Roster {
        session: Session,
    },
    Leave {
        session: Session,
    },
    End {
        session: Session,
    },
    Explode {
        to: Vec<Member>,
        text: String,
    },
    Presence {
        open: bool,
        note: Option<String>,
    },
    Subscribe {
        package: String,
        to: String,
        expires: Option<u64>,
    },
    Publish {
        package: String,
        body: Option<String>,
        content_type: Option<String>,
    },
    Privacy {
        on: bool,
    },
    DropConnection {},
    Quit {},
}

fn yes() -> bool {
    true
}

/// The name of a session: `"s1"`, or its number alone.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "JSON has no third form for a name")]
pub enum Session {
    /// As events write it.
    Name(String),
    /// The number.
    Number(u64),
}

/// Which notifications are wanted: `true` for delivery and display, or a list of the tokens of RFC 5438.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the forms of the command language")]
pub enum Imdn {
    /// Delivery and display, or nothing.
    Flag(bool),
    /// One token.
    One(String),
    /// Several tokens.
    Several(Vec<String>),
}

/// A recipient: an address alone, or with what is special about him.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
#[expect(clippy::exhaustive_enums, reason = "the forms of the command language")]
pub enum Member {
    /// An address.
    Uri(String),
    /// An address, and what the others learn of it.
    Entry {
        /// The address.
        uri: String,
        /// `to`, `cc` or `bcc`.
        copy_control: Option<String>,
        /// Whether the others learn that he is there, but not who he is.
        #[serde(default)]
        anonymize: bool,
    },
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a line is done, wrong or the last")]
pub enum Done {
    /// The client has it.
    Taken,
    /// It is answered by this event.
    Answered(Value),
    /// The client is to end.
    Quit,
}

/// Commands that a client knows of but that this one does not carry out yet.
const LATER: [&str; 7] = [
    "large",
    "file",
    "retrieve",
    "history",
    "block",
    "unblock",
    "to_nickname",
];

/// How many commands' references are remembered.
const REFERENCES: usize = 10_000;

/// Turns lines into commands, and events into lines; remembers the references that commands carry.
#[derive(Debug, Default)]
pub struct Translator {
    references: BTreeMap<CommandId, Value>,
}

impl Translator {
    /// Carries out a line.
    pub fn line(&mut self, line: &str, client: &mut Client, now: Instant) -> Done {
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => return Done::Answered(refused(None, &format!("not JSON: {error}"))),
        };
        self.value(value, client, now)
    }

    /// Carries out a command as JSON.
    pub fn value(&mut self, mut value: Value, client: &mut Client, now: Instant) -> Done {
        let reference = value.as_object_mut().and_then(|object| object.remove("ref"));
        if let Some(name) = value.get("do").and_then(Value::as_str)
            && LATER.contains(&name)
        {
            return Done::Answered(refused(reference.as_ref(), &format!("{name}: not supported")));
        }
        match serde_json::from_value::<Command>(value) {
            Ok(command) => self.command(command, reference, client, now),
            Err(error) => Done::Answered(refused(reference.as_ref(), &error.to_string())),
        }
    }

    /// Carries out a command.
    pub fn command(
        &mut self,
        command: Command,
        reference: Option<Value>,
        client: &mut Client,
        now: Instant,
    ) -> Done {
        match run(command, client, now) {
            Ok(Outcome::Command(id)) => {
                if let Some(reference) = reference {
                    if self.references.len() >= REFERENCES {
                        self.references.pop_first();
                    }
                    self.references.insert(id, reference);
                }
                Done::Taken
            }
            Ok(Outcome::Nothing) => Done::Taken,
            Ok(Outcome::Quit) => Done::Quit,
            Err(reason) => Done::Answered(refused(reference.as_ref(), &reason)),
        }
    }

    /// An event as JSON: one object, or for the start of a conference two.
    pub fn event(&self, event: &Event) -> Vec<Value> {
        let mut values = Vec::new();
        let command = event::write(event, &mut values);
        if let Some(reference) = command.and_then(|command| self.references.get(&command)) {
            for value in &mut values {
                if let Some(object) = value.as_object_mut() {
                    object.insert("ref".to_owned(), reference.clone());
                }
            }
        }
        values
    }
}

enum Outcome {
    Command(CommandId),
    Nothing,
    Quit,
}

impl From<CommandId> for Outcome {
    fn from(command: CommandId) -> Self {
        Self::Command(command)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

fn run(command: Command, client: &mut Client, now: Instant) -> Result<Outcome, String> {
    let done: Result<Outcome, CommandError> = match command {
        Command::Register {} => client.register(now).map(Into::into),
        Command::Unregister {} => client.unregister(now).map(Into::into),
        Command::Message {
            to,
            to_nickname,
            text,
            imdn,
            expires,
            privacy,
        } => {
            if to_nickname.is_some() {
                return Err("to_nickname: not supported".to_owned());
            }
            let mut message = MessageRequest::text(uri(&to.ok_or("to is missing")?)?, text);
            message.notifications = imdn.map_or(Ok(Notifications::none()), |imdn| imdn.read())?;
            message.expires = expires.map(Duration::from_secs);
            message.privacy = privacy;
            client.message(message, now).map(Into::into)
        }
        Command::Displayed { message_id } => client.displayed(&message_id, now).map(Into::into),
        Command::Chat { to } => client.chat(uri(&to)?, now).map(Into::into),
        Command::Group { members, subject } => client.group(entries(members)?, subject, now).map(Into::into),
        Command::Join { uri: to, privacy } => client.join(uri(&to)?, privacy, now).map(Into::into),
        Command::Accept { session, privacy } => client.accept(session.key()?, privacy, now).map(Into::into),
        Command::Decline { session, status } => client
            .decline(session.key()?, status.unwrap_or(603), now)
            .map(Into::into),
        Command::Say {
            session,
            text,
            to,
            report,
        } => client
            .say(session.key()?, Content::text(text), to.as_deref(), report, now)
            .map(Into::into),
        Command::Composing { session, active } => {
            client.composing(session.key()?, active, now).map(Into::into)
        }
        Command::Nickname { session, name } => client.nickname(session.key()?, &name, now).map(Into::into),
        Command::Add { session, uri: user } => client.add(session.key()?, &uri(&user)?, now).map(Into::into),
        Command::Expel { session, uri: user } => {
            client.expel(session.key()?, &uri(&user)?, now).map(Into::into)
        }
        Command::Roster { session } => client.roster(session.key()?, now).map(Into::into),
        Command::Leave { session } => client.leave(session.key()?, now).map(Into::into),
        Command::End { session } => client.end(session.key()?, now).map(Into::into),
        Command::Explode { to, text } => client
            .explode(entries(to)?, Content::text(text), now)
            .map(Into::into),
        Command::Presence { open, note } => client.presence(open, note.as_deref(), now).map(Into::into),
        Command::Subscribe { package, to, expires } => client
            .subscribe(&package, &uri(&to)?, expires.map(Duration::from_secs), now)
            .map(Into::into),
        Command::Publish {
            package,
            body,
            content_type,
        } => {
            let kind = content_type.unwrap_or_else(|| published_as(&package).to_owned());
            let kind = ContentType::parse(&kind).map_err(|error| format!("content_type: {error}"))?;
            let content = body.map(|body| Content::new(kind, body.into()));
            client.publish(&package, content, now).map(Into::into)
        }
        Command::Privacy { on } => {
            client.privacy(on);
            Ok(Outcome::Nothing)
        }
        Command::DropConnection {} => {
            client.drop_connection(now);
            Ok(Outcome::Nothing)
        }
        Command::Quit {} => Ok(Outcome::Quit),
    };
    done.map_err(|error| error.to_string())
}

/// How the state of a package is written, unless the command says so.
fn published_as(package: &str) -> &'static str {
    match package {
        "presence" => "application/pidf+xml",
        "message-summary" => "application/simple-message-summary",
        "xcap-diff" => "application/xcap-diff+xml",
        _ => "application/xml",
    }
}

impl Session {
    fn key(&self) -> Result<SessionKey, String> {
        let number = match self {
            Self::Number(number) => Some(*number),
            Self::Name(name) => name.strip_prefix('s').unwrap_or(name).parse().ok(),
        };
        number
            .map(SessionKey::from_number)
            .ok_or_else(|| CommandError::NoSession.to_string())
    }
}

impl Imdn {
    fn read(&self) -> Result<Notifications, String> {
        let tokens = match self {
            Self::Flag(true) => return Ok(Notifications::delivery_and_display()),
            Self::Flag(false) => return Ok(Notifications::none()),
            Self::One(tokens) => tokens.split(',').map(str::trim).map(ToOwned::to_owned).collect(),
            Self::Several(tokens) => tokens.clone(),
        };
        let mut wanted = Notifications::none();
        for token in tokens {
            match token.as_str() {
                "positive-delivery" | "delivery" | "delivered" => wanted.positive_delivery = true,
                "negative-delivery" | "failed" => wanted.negative_delivery = true,
                "display" | "displayed" => wanted.display = true,
                "processing" | "stored" => wanted.processing = true,
                _ => return Err(format!("imdn: unknown notification {token}")),
            }
        }
        Ok(wanted)
    }
}

fn entries(members: Vec<Member>) -> Result<Vec<ListEntry>, String> {
    members.into_iter().map(entry).collect()
}

fn entry(member: Member) -> Result<ListEntry, String> {
    match member {
        Member::Uri(address) => Ok(ListEntry::to(uri(&address)?)),
        Member::Entry {
            uri: address,
            copy_control,
            anonymize,
        } => {
            let mut entry = ListEntry::to(uri(&address)?);
            if let Some(value) = copy_control {
                entry.copy_control = CopyControl::from_value(&value)
                    .ok_or_else(|| format!("copy_control: unknown value {value}"))?;
            }
            entry.anonymize = anonymize;
            Ok(entry)
        }
    }
}

fn uri(text: &str) -> Result<Uri, String> {
    Uri::parse(text).map_err(|error| format!("{text}: {error}"))
}

/// An `error` event.
pub fn refused(reference: Option<&Value>, reason: &str) -> Value {
    let mut value = json!({ "event": "error", "reason": reason });
    event::put(&mut value, "ref", reference.cloned());
    value
}

#[cfg(test)]
mod tests {
    use im_roles::config::NextHop;
    use serde_json::json;
    use sip_im::Transport;

    use super::*;

    fn client() -> Client {
        let server = NextHop::new(Transport::Tcp, "127.0.0.1", 5060);
        let user = Uri::parse("sip:alice@example.com").unwrap();
        let config = im_roles::client::Config::new(user, "secret", server).unwrap();
        Client::new(config, crate::clock::wall_clock(), crate::entropy::os())
    }

    fn answer(line: &str) -> Done {
        Translator::default().line(line, &mut client(), Instant::now())
    }

    #[test]
    fn every_command_is_understood() {
        let taken = [
            r#"{"do":"register"}"#,
            r#"{"do":"register","ref":7}"#,
            r#"{"do":"unregister"}"#,
            r#"{"do":"message","to":"sip:bob@example.com","text":"hi"}"#,
            r#"{"do":"message","to":"sip:bob@example.com","text":"hi","imdn":true,"expires":60,"privacy":true,"ref":"a"}"#,
            r#"{"do":"message","to":"sip:bob@example.com","text":"hi","imdn":["positive-delivery","display"]}"#,
            r#"{"do":"chat","to":"sip:bob@example.com"}"#,
            r#"{"do":"group","members":["sip:bob@example.com"],"subject":"x"}"#,
            r#"{"do":"join","uri":"sip:room@example.com","privacy":true}"#,
            r#"{"do":"explode","to":[{"uri":"sip:bob@example.com","copy_control":"bcc","anonymize":true}],"text":"x"}"#,
            r#"{"do":"privacy","on":true}"#,
            r#"{"do":"presence","open":true,"note":"here"}"#,
            r#"{"do":"subscribe","package":"presence","to":"sip:bob@example.com"}"#,
            r#"{"do":"subscribe","package":"presence.winfo","to":"sip:alice@example.com","expires":0}"#,
            r#"{"do":"publish","package":"presence","body":"<presence/>"}"#,
            r#"{"do":"publish","package":"presence"}"#,
            r#"{"do":"drop_connection"}"#,
        ];
        for line in taken {
            assert_eq!(answer(line), Done::Taken, "{line}");
        }
        assert_eq!(answer(r#"{"do":"quit"}"#), Done::Quit);
    }

    #[test]
    fn what_cannot_be_done_is_an_error_with_its_reference() {
        let refused = [
            "not json",
            r#"{"do":"dance","ref":1}"#,
            r#"{"do":"large","to":"sip:bob@example.com","path":"x","ref":1}"#,
            r#"{"do":"history","what":"list","ref":1}"#,
            r#"{"do":"message","to_nickname":"Bob","text":"x","ref":1}"#,
            r#"{"do":"message","to":"nobody","text":"x","ref":1}"#,
            r#"{"do":"say","session":"s9","text":"x","ref":1}"#,
            r#"{"do":"leave","session":4,"ref":1}"#,
            r#"{"do":"displayed","message_id":"x","ref":1}"#,
            r#"{"do":"subscribe","package":"no package","to":"sip:bob@example.com","ref":1}"#,
            r#"{"do":"publish","package":"x","body":"","content_type":"y","ref":1}"#,
        ];
        for line in refused {
            let Done::Answered(value) = answer(line) else {
                panic!("{line}")
            };
            assert_eq!(value["event"], "error", "{line}");
            assert!(line.starts_with("not") || value["ref"] == 1, "{line}");
        }
    }

    #[test]
    fn events_repeat_the_reference_of_their_command() {
        let mut translator = Translator::default();
        let mut client = client();
        let now = Instant::now();
        assert_eq!(
            translator.line(r#"{"do":"register","ref":{"n":1}}"#, &mut client, now),
            Done::Taken
        );
        let command = client.register(now).unwrap();
        translator.references.insert(command, json!("mine"));
        let event = Event::Registered {
            command: Some(command),
            expires: Duration::from_secs(60),
        };
        assert_eq!(
            translator.event(&event),
            [json!({ "event": "registered", "expires": 60, "ref": "mine" })]
        );
        let event = Event::Registered {
            command: None,
            expires: Duration::from_secs(60),
        };
        assert_eq!(
            translator.event(&event),
            [json!({ "event": "registered", "expires": 60 })]
        );
    }

    #[test]
    fn a_conference_is_a_session_that_is_joined() {
        let event = Event::SessionStarted {
            session: SessionKey::from_number(3),
            command: None,
            peer: Uri::parse("sip:conf@example.com").unwrap(),
            conference: true,
        };
        let values = Translator::default().event(&event);
        assert_eq!(values[0]["event"], "session");
        assert_eq!(
            values[1],
            json!({ "event": "joined", "session": "s3", "uri": "sip:conf@example.com" })
        );
    }
}
