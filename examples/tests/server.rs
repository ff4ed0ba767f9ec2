//! im-server as a process: its arguments, its ready line, its end.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be unwrapped fails the test"
)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use common::Folder;

fn server(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_im-server"))
        .args(arguments)
        .output()
        .unwrap()
}

struct Running {
    child: Child,
    ready: serde_json::Value,
}

impl Running {
    fn start(configuration: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_im-server"))
            .arg("--config")
            .arg(configuration)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self {
            child,
            ready: ready["ready"].clone(),
        }
    }

    fn address(&self, key: &str) -> SocketAddr {
        self.ready[key].as_str().unwrap().parse().unwrap()
    }

    fn terminate(mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(
            Command::new("sh")
                .args(["-c", "kill -TERM \"$0\"", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(folder: &Folder, more: &str) -> std::path::PathBuf {
    let path = folder.path().join("im-server.toml");
    let text = format!(
        "domain = 'example.com'\n[listen]\nsip_udp = '127.0.0.1:0'\nsip_tcp = '127.0.0.1:0'\nmsrp_tcp = '127.0.0.1:0'\n\
         xcap_http = '127.0.0.1:0'\n[store]\npath = '{}'\n{more}",
        folder.path().join("im.db").display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn options(transport: &str, from: SocketAddr) -> String {
    format!(
        "OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/{transport} {from};branch=z9hG4bKa1;rport\r\n\
         From: <sip:x@example.com>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: {transport}\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn the_printed_default_passes_the_check() {
    let folder = Folder::new("server-default");
    let printed = server(&["--print-default-config"]);
    assert!(printed.status.success());
    let path = folder.path().join("default.toml");
    std::fs::write(&path, &printed.stdout).unwrap();
    let checked = server(&["--check", path.to_str().unwrap()]);
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    std::fs::write(&path, "domain = 'example.com'\nnonsense = 1\n").unwrap();
    let checked = server(&["--check", path.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("line 2"));
    assert_eq!(server(&["--nonsense"]).status.code(), Some(2));
}

#[test]
fn it_answers_on_every_listener_and_ends_when_asked() {
    let folder = Folder::new("server-run");
    let running = Running::start(&configuration(&folder, ""));
    let mut buffer = [0; 4096];
    let mut tcp = TcpStream::connect(running.address("sip_tcp")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp.write_all(options("TCP", tcp.local_addr().unwrap()).as_bytes())
        .unwrap();
    let count = tcp.read(&mut buffer).unwrap();
    assert!(buffer[..count].starts_with(b"SIP/2.0 "));

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    udp.send_to(
        options("UDP", udp.local_addr().unwrap()).as_bytes(),
        running.address("sip_udp"),
    )
    .unwrap();
    let count = udp.recv(&mut buffer).unwrap();
    assert!(buffer[..count].starts_with(b"SIP/2.0 "));

    let mut http = TcpStream::connect(running.address("xcap_http")).unwrap();
    http.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let target = "/xcap-root/resource-lists/users/sip:alice@example.com/index";
    http.write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .unwrap();
    let count = http.read(&mut buffer).unwrap();
    assert!(
        buffer[..count].starts_with(b"HTTP/1.1 401"),
        "{}",
        String::from_utf8_lossy(&buffer[..count])
    );

    assert!(TcpStream::connect(running.address("msrp_tcp")).is_ok());
    assert_eq!(running.terminate().code(), Some(0));
}

#[test]
fn a_trace_holds_what_was_said() {
    let folder = Folder::new("server-trace");
    let (pcapng, ladder) = (folder.path().join("t.pcapng"), folder.path().join("t.html"));
    let more = format!(
        "[trace]\npcapng = '{}'\nladder = '{}'\n",
        pcapng.display(),
        ladder.display()
    );
    let running = Running::start(&configuration(&folder, &more));
    let mut tcp = TcpStream::connect(running.address("sip_tcp")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tcp.write_all(options("TCP", tcp.local_addr().unwrap()).as_bytes())
        .unwrap();
    assert!(tcp.read(&mut [0; 4096]).unwrap() > 0);
    assert_eq!(running.terminate().code(), Some(0));
    let capture = std::fs::read(&pcapng).unwrap();
    let page = std::fs::read_to_string(&ladder).unwrap();
    assert!(capture.windows(7).any(|window| window == b"OPTIONS"));
    assert!(capture.windows(8).any(|window| window == b"SIP/2.0 "));
    assert!(page.contains("OPTIONS sip:example.com") && page.contains(">server</text>"));
}

#[test]
fn what_is_not_offered_keeps_it_from_starting() {
    let folder = Folder::new("server-refuse");
    let path = configuration(&folder, "[charging]\nfile = 'charging.jsonl'\n");
    let refused = server(&["--config", path.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("charging.file"));
}
