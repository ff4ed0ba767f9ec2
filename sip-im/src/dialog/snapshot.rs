//! A dialog as a value that survives a restart.

use super::{Dialog, DialogState, MAX_ROUTES, MAX_SEQUENCE, Parts, written};
use crate::ByteStr;
use crate::header::{CallId, Header, NameAddr};
use crate::snapshot::{Reader, SnapshotError, Writer};
use crate::uri::Uri;

/// Everything that one end remembers of a dialog (RFC 3261 section 12).
///
/// ```
/// use sip_im::dialog::{Dialog, DialogSnapshot};
/// use sip_im::header::Contact;
/// use sip_im::{Method, Request, StatusCode, Uri};
///
/// let (alice, bob) = (Uri::parse("sip:alice@a.test")?, Uri::parse("sip:bob@b.test")?);
/// let invite = Request::builder(Method::Invite, bob.clone())
///     .from(&alice, None, "a1")
///     .to(&bob, None)
///     .call_id("c1")
///     .cseq(1)
///     .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.1")?))
///     .build()?;
/// let ok = invite.response(StatusCode::OK).to_tag("b1").contact(&Contact::new(Uri::parse("sip:bob@192.0.2.2")?)).build()?;
/// let dialog = Dialog::from_uac(&invite, &ok)?;
///
/// let text = dialog.snapshot().write();
/// let mut restored = Dialog::restore(&DialogSnapshot::read(&text)?)?;
/// assert_eq!(restored.id(), dialog.id());
/// assert_eq!(restored.request(Method::Bye).build()?.cseq()?.seq, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialogSnapshot {
    /// The Call-ID.
    pub call_id: String,
    /// The tag of this end.
    pub local_tag: String,
    /// The tag of the other end.
    pub remote_tag: String,
    /// Whether the dialog is confirmed.
    pub confirmed: bool,
    /// Whether it was made by a SIPS URI.
    pub secure: bool,
    /// The address of this end as From has it, without tag.
    pub local: String,
    /// The address of the other end as To has it, without tag.
    pub remote: String,
    /// The other end's Contact URI.
    pub target: String,
    /// The number of this end's latest request.
    pub local_sequence: Option<u32>,
    /// The number of the other end's latest request.
    pub remote_sequence: Option<u32>,
    /// The route set, each as Route has it.
    pub routes: Vec<String>,
}

impl DialogSnapshot {
    /// The text form, as [`crate::snapshot`] describes it.
    pub fn write(&self) -> String {
        let mut writer = Writer::new("sip-im-dialog");
        self.write_to(&mut writer);
        writer.finish()
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// Fails when it is not one; whether the values make a dialog is seen by [`Dialog::restore`].
    pub fn read(text: &str) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(text, "sip-im-dialog")?;
        let snapshot = Self::read_from(&mut reader)?;
        reader.finish()?;
        Ok(snapshot)
    }

    pub(crate) fn write_to(&self, writer: &mut Writer) {
        writer.text("call-id", &self.call_id);
        writer.text("local-tag", &self.local_tag);
        writer.text("remote-tag", &self.remote_tag);
        writer.flag("confirmed", self.confirmed);
        writer.flag("secure", self.secure);
        writer.text("local", &self.local);
        writer.text("remote", &self.remote);
        writer.text("target", &self.target);
        writer.optional("local-sequence", self.local_sequence);
        writer.optional("remote-sequence", self.remote_sequence);
        for route in &self.routes {
            writer.text("route", route);
        }
    }

    pub(crate) fn read_from(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut snapshot = Self {
            call_id: reader.text("call-id")?.to_owned(),
            local_tag: reader.text("local-tag")?.to_owned(),
            remote_tag: reader.text("remote-tag")?.to_owned(),
            confirmed: reader.flag("confirmed")?,
            secure: reader.flag("secure")?,
            local: reader.text("local")?.to_owned(),
            remote: reader.text("remote")?.to_owned(),
            target: reader.text("target")?.to_owned(),
            local_sequence: reader.maybe_number("local-sequence")?,
            remote_sequence: reader.maybe_number("remote-sequence")?,
            routes: Vec::new(),
        };
        while let Some(route) = reader.maybe("route")? {
            if snapshot.routes.len() >= MAX_ROUTES {
                return Err(SnapshotError::Value("route"));
            }
            snapshot.routes.push(route.to_owned());
        }
        Ok(snapshot)
    }
}

impl Dialog {
    /// What to keep of the dialog to go on with it elsewhere.
    pub fn snapshot(&self) -> DialogSnapshot {
        DialogSnapshot {
            call_id: self.id.call_id.to_string(),
            local_tag: self.id.local_tag.to_string(),
            remote_tag: self.id.remote_tag.to_string(),
            confirmed: self.state == DialogState::Confirmed,
            secure: self.secure,
            local: self.local.to_string(),
            remote: self.remote.to_string(),
            target: self.target.as_str().to_owned(),
            local_sequence: self.local_sequence,
            remote_sequence: self.remote_sequence,
            routes: self.routes.as_str().lines().map(str::to_owned).collect(),
        }
    }

    /// The dialog of a snapshot.
    ///
    /// # Errors
    ///
    /// Fails with the first value that no dialog can have.
    pub fn restore(snapshot: &DialogSnapshot) -> Result<Self, SnapshotError> {
        if snapshot.routes.len() > MAX_ROUTES {
            return Err(SnapshotError::Value("route"));
        }
        let call_id = ByteStr::from(snapshot.call_id.clone());
        CallId::parse(&call_id).map_err(|_| SnapshotError::Value("call-id"))?;
        let mut routes = Vec::with_capacity(snapshot.routes.len());
        for route in &snapshot.routes {
            routes.push(written(&address(route, "route")?));
        }
        tag(&snapshot.local_tag, "local-tag")?;
        tag(&snapshot.remote_tag, "remote-tag")?;
        let parts = Parts {
            call_id: &call_id,
            local_tag: &snapshot.local_tag,
            remote_tag: &snapshot.remote_tag,
            local: &address(&snapshot.local, "local")?,
            remote: &address(&snapshot.remote, "remote")?,
            routes: &routes.join("\n"),
        };
        let target = Uri::parse(&snapshot.target).map_err(|_| SnapshotError::Value("target"))?;
        let state = if snapshot.confirmed {
            DialogState::Confirmed
        } else {
            DialogState::Early
        };
        let mut dialog = parts.dialog(state, target, snapshot.secure);
        dialog.local_sequence = sequence(snapshot.local_sequence, "local-sequence")?;
        dialog.remote_sequence = sequence(snapshot.remote_sequence, "remote-sequence")?;
        Ok(dialog)
    }
}

fn address(text: &str, key: &'static str) -> Result<NameAddr, SnapshotError> {
    NameAddr::parse(&ByteStr::from(text.to_owned())).map_err(|_| SnapshotError::Value(key))
}

fn tag(text: &str, key: &'static str) -> Result<(), SnapshotError> {
    let plain = text.bytes().all(crate::header::octets::is_token_byte);
    plain.then_some(()).ok_or(SnapshotError::Value(key))
}

fn sequence(number: Option<u32>, key: &'static str) -> Result<Option<u32>, SnapshotError> {
    match number {
        Some(number) if number > MAX_SEQUENCE => Err(SnapshotError::Value(key)),
        other => Ok(other),
    }
}
