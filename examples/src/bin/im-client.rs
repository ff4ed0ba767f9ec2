//! im-client: a terminal client for a person, or with `--json` for a script.
#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use examples::client_json::{Command, Done, Imdn, Member, Session, Translator};
use examples::net::{ClientHost, Network, Settings};
use examples::{clock, decode, entropy};
use im_roles::client::{Client, Config};
use im_roles::config::NextHop;
use im_roles::flow::{Protocol, Transport};
use lexopt::prelude::*;
use serde_json::Value;
use sip_im::Uri;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

struct Options {
    config: Config,
    json: bool,
}

fn main() -> ExitCode {
    let options = match arguments() {
        Ok(Some(options)) => options,
        Ok(None) => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprint!("im-client: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("im-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Option<Options>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_env();
    let (mut user, mut password, mut server, mut asserted) = (None, String::new(), None, None);
    let mut relays = Vec::new();
    let (mut transport, mut instance, mut auto_accept, mut json) = (Transport::Tcp, None, false, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("user") => user = Some(parser.value()?.parse_with(Uri::parse)?),
            Long("password") => password = parser.value()?.string()?,
            Long("server") => server = Some(parser.value()?.parse_with(host_and_port)?),
            Long("transport") => transport = parser.value()?.parse_with(transport_named)?,
            Long("instance") => instance = Some(parser.value()?.string()?),
            Long("asserted") => asserted = Some(parser.value()?.parse_with(Uri::parse)?),
            Long("auto-accept") => auto_accept = true,
            Long("json") => json = true,
            // Several are a chain, the nearest first.
            Long("msrp-relay") => {
                for relay in parser.value()?.string()?.split(',') {
                    let relay = msrp::Uri::parse(relay);
                    relays.push(relay.map_err(|error| lexopt::Error::Custom(Box::new(error)))?);
                }
            }
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let user: Uri = user.ok_or("--user is missing")?;
    let (host, port): (String, u16) = server.ok_or("--server is missing")?;
    let mut config = Config::new(user, password, NextHop::new(transport, host, port))
        .map_err(|error| lexopt::Error::Custom(Box::new(error)))?;
    config.instance = instance;
    config.auto_accept = auto_accept;
    config.asserted = asserted;
    config.msrp_relays = relays;
    Ok(Some(Options { config, json }))
}

fn host_and_port(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| "not a port")?)
        }
        _ => (text, 5060),
    };
    Ok((
        host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port,
    ))
}

fn transport_named(text: &str) -> Result<Transport, &'static str> {
    match text {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Err("tls: not supported"),
        _ => Err("not a transport"),
    }
}

fn run(options: Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(talk(options))?;
    // A read of standard input that still waits must not keep the program.
    runtime.shutdown_background();
    Ok(())
}

async fn talk(Options { mut config, json }: Options) -> io::Result<()> {
    let mut network = Network::new(Settings::default());
    // One-to-one sessions may be connected to, at the address by which this host reaches the server.
    if config.msrp_relays.is_empty()
        && let Ok(address) = own_address(&config.server).await
        && let Ok(listening) = network
            .listen(Protocol::Msrp, Transport::Tcp, SocketAddr::new(address, 0))
            .await
    {
        config.media_listen = Some((listening.ip().to_string(), listening.port()));
    }
    let mut client = Client::new(config, clock::wall_clock(), entropy::os());
    client.set_decoder(decode::decoder());
    let mut host = ClientHost::new(client, network);
    let mut translator = Translator::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    if !json {
        // A person wants to be reached at once.
        let done = translator.command(Command::Register {}, None, host.machine(), Instant::now());
        show(json, answers(&done))?;
    }
    let mut ending = None;
    loop {
        tokio::select! {
            line = next_line(&mut lines, ending.is_some()) => {
                let done = match line? {
                    Some(line) if line.trim().is_empty() => continue,
                    Some(line) if json => translator.line(&line, host.machine(), Instant::now()),
                    Some(line) => match typed(&line) {
                        Ok(command) => translator.command(command, None, host.machine(), Instant::now()),
                        Err(help) => { say(&help)?; continue }
                    },
                    None => Done::Quit,
                };
                show(json, answers(&done))?;
                if done == Done::Quit {
                    host.machine().shut_down(Instant::now());
                    ending = Some(tokio::time::Instant::now() + PARTING);
                }
            }
            event = host.next_event() => match event {
                Some(event) => show(json, translator.event(&event))?,
                None => break,
            },
            () = passed(ending) => break,
        }
    }
    host.flush(Duration::from_secs(1)).await;
    Ok(())
}

/// The next line, as long as lines are listened to.
async fn next_line(lines: &mut Lines<BufReader<Stdin>>, ending: bool) -> io::Result<Option<String>> {
    if ending {
        std::future::pending().await
    } else {
        lines.next_line().await
    }
}

async fn passed(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The address from which this host reaches the server; no datagram is sent for it.
async fn own_address(server: &NextHop) -> io::Result<IpAddr> {
    let mut found = tokio::net::lookup_host((server.host.as_str(), server.port)).await?;
    let server = found
        .next()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let any: IpAddr = if server.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0_u16; 8].into()
    };
    let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

fn answers(done: &Done) -> Vec<Value> {
    if let Done::Answered(value) = done {
        vec![value.clone()]
    } else {
        Vec::new()
    }
}

fn show(json: bool, values: Vec<Value>) -> io::Result<()> {
    for value in values {
        if json {
            say(&value.to_string())?;
        } else if let Some(text) = sentence(&value) {
            say(&text)?;
        }
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// An event for a person.
fn sentence(value: &Value) -> Option<String> {
    let word = |key: &str| value.get(key).map(plain).unwrap_or_default();
    let session = value
        .get("session")
        .map(|session| format!("[{}] ", plain(session)))
        .unwrap_or_default();
    Some(match word("event").as_str() {
        "registered" => "registered".to_owned(),
        "unregistered" => "not registered any more".to_owned(),
        "disconnected" => "no connection to the server".to_owned(),
        "sent" => format!("{session}sent ({})", word("status")),
        "failed" => format!(
            "{session}failed: {} {} {}",
            word("status"),
            word("reason"),
            word("warning")
        ),
        "error" => format!("cannot do that: {}", word("reason")),
        "message" => {
            let private = if value.get("private") == Some(&Value::Bool(true)) {
                " (to you alone)"
            } else {
                ""
            };
            let text = match value.get("text") {
                Some(text) => plain(text),
                None => format!("<{}>", word("content_type")),
            };
            format!("{session}{}{private}: {text}", word("from"))
        }
        "invited" => format!("{session}{} invites you: {}", word("from"), word("subject")),
        "session" => format!("{session}session with {}", word("uri")),
        "connected" | "joined" => return None,
        "roster" => {
            let users = value.get("users").and_then(Value::as_array);
            let lines = users.into_iter().flatten().map(|user| {
                let word = |key: &str| user.get(key).map(plain).unwrap_or_default();
                format!("\n    {} {} {}", word("uri"), word("nickname"), word("status"))
            });
            format!("{session}taking part:{}", lines.collect::<String>())
        }
        "nickname" => format!("{session}nickname {}: {}", word("name"), word("status")),
        "left" => format!("{session}ended {}", word("reason")),
        "report" => format!("{session}report on {}: {}", word("message_id"), word("status")),
        "presence" => format!("{} is {} {}", word("from"), word("status"), word("text")),
        "notify" if word("package") == "presence" => return None,
        "notify" => format!(
            "{} of {}: {} {}",
            word("package"),
            word("from"),
            word("status"),
            word("body")
        ),
        "imdn" => format!("{} {} {}", word("message_id"), word("status"), word("from")),
        "composing" => format!(
            "{session}{} is {}",
            word("from"),
            if word("status") == "active" {
                "writing"
            } else {
                "idle"
            }
        ),
        other => other.to_owned(),
    })
}

/// Without what could steer a terminal: what peers write is shown, not obeyed.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars()
        .map(|character| {
            if character.is_control() && character != '\n' {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// A line that a person typed.
fn typed(line: &str) -> Result<Command, String> {
    let (verb, rest) = split(line);
    let (first, more) = split(rest);
    let session = || Session::Name(first.to_owned());
    let needed = |text: &str| {
        if text.is_empty() {
            Err(HELP.to_owned())
        } else {
            Ok(text.to_owned())
        }
    };
    Ok(match verb {
        "register" => Command::Register {},
        "unregister" => Command::Unregister {},
        "message" | "m" => Command::Message {
            to: Some(needed(first)?),
            to_nickname: None,
            text: needed(more)?,
            imdn: Some(Imdn::Flag(true)),
            expires: None,
            privacy: false,
        },
        "displayed" => Command::Displayed {
            message_id: needed(first)?,
        },
        "chat" => Command::Chat { to: needed(first)? },
        "group" => Command::Group {
            members: needed(first)?
                .split(',')
                .map(|uri| Member::Uri(uri.to_owned()))
                .collect(),
            subject: Some(more.to_owned()).filter(|subject| !subject.is_empty()),
        },
        "join" => Command::Join {
            uri: needed(first)?,
            privacy: more == "privately",
        },
        "accept" => Command::Accept {
            session: session(),
            privacy: more == "privately",
        },
        "decline" => Command::Decline {
            session: session(),
            status: None,
        },
        "say" | "s" => Command::Say {
            session: session(),
            text: needed(more)?,
            to: None,
            report: false,
        },
        "whisper" | "w" => {
            let (to, text) = split(more);
            Command::Say {
                session: session(),
                text: needed(text)?,
                to: Some(needed(to)?),
                report: false,
            }
        }
        "nickname" => Command::Nickname {
            session: session(),
            name: needed(more)?,
        },
        "add" => Command::Add {
            session: session(),
            uri: needed(more)?,
        },
        "expel" => Command::Expel {
            session: session(),
            uri: needed(more)?,
        },
        "roster" => Command::Roster { session: session() },
        "leave" => Command::Leave { session: session() },
        "end" => Command::End { session: session() },
        "explode" => Command::Explode {
            to: needed(first)?
                .split(',')
                .map(|uri| Member::Uri(uri.to_owned()))
                .collect(),
            text: needed(more)?,
        },
        "presence" => Command::Presence {
            open: first == "open",
            note: Some(more.to_owned()).filter(|note| !note.is_empty()),
        },
        "watch" => Command::Subscribe {
            package: if more.is_empty() { "presence" } else { more }.to_owned(),
            to: needed(first)?,
            expires: None,
        },
        "privacy" => Command::Privacy { on: first == "on" },
        "quit" | "q" => Command::Quit {},
        _ => return Err(HELP.to_owned()),
    })
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace)
        .map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

/// How long the parting from the server may take.
const PARTING: Duration = Duration::from_secs(5);

const USAGE: &str = "\
usage: im-client --user URI --password SECRET --server HOST:PORT
       [--transport udp|tcp] [--instance URN] [--asserted URI] [--auto-accept] [--json]
       [--msrp-relay URI[,URI]]
";

const HELP: &str = "\
message URI TEXT            chat URI                    group URI,URI [SUBJECT]
join URI [privately]        accept SESSION [privately]  decline SESSION
say SESSION TEXT            whisper SESSION URI TEXT    nickname SESSION NAME
add SESSION URI             expel SESSION URI           roster SESSION
leave SESSION               end SESSION                 explode URI,URI TEXT
displayed MESSAGE           presence open|closed [NOTE] watch URI [PACKAGE]
privacy on|off              register, unregister, quit";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_is_understood() {
        assert_eq!(
            typed("message sip:bob@example.com  hello you "),
            Ok(Command::Message {
                to: Some("sip:bob@example.com".to_owned()),
                to_nickname: None,
                text: "hello you".to_owned(),
                imdn: Some(Imdn::Flag(true)),
                expires: None,
                privacy: false,
            })
        );
        assert_eq!(
            typed("w s1 sip:bob@example.com psst"),
            Ok(Command::Say {
                session: Session::Name("s1".to_owned()),
                text: "psst".to_owned(),
                to: Some("sip:bob@example.com".to_owned()),
                report: false,
            })
        );
        assert_eq!(typed("q"), Ok(Command::Quit {}));
        for line in ["", "dance", "message", "chat", "say s1"] {
            assert_eq!(typed(line), Err(HELP.to_owned()), "{line}");
        }
    }

    #[test]
    fn servers_are_named_with_or_without_a_port() {
        assert_eq!(
            host_and_port("192.0.2.1:5070"),
            Ok(("192.0.2.1".to_owned(), 5070))
        );
        assert_eq!(
            host_and_port("sip.example.com"),
            Ok(("sip.example.com".to_owned(), 5060))
        );
        assert_eq!(
            host_and_port("[2001:db8::1]:5061"),
            Ok(("2001:db8::1".to_owned(), 5061))
        );
        assert_eq!(host_and_port("2001:db8::1"), Ok(("2001:db8::1".to_owned(), 5060)));
        assert!(host_and_port("192.0.2.1:x").is_err());
    }

    #[test]
    fn what_peers_write_does_not_steer_the_terminal() {
        let value = serde_json::json!({
            "event": "message", "from": "sip:x@example.com", "text": "\u{1b}[2Jhello\u{7}", "private": true,
        });
        assert_eq!(
            sentence(&value).unwrap(),
            "sip:x@example.com (to you alone):  [2Jhello "
        );
    }
}
