//! A session as a value that survives a restart.

use core::time::Duration;
use std::time::Instant;

use bytes::Bytes;

use super::offer_answer::{Fingerprint, OfferAnswer};
use super::{Session, SessionState, SessionTimer, Side};
use crate::ByteStr;
use crate::dialog::{Dialog, DialogSnapshot};
use crate::header::{Contact, Header};
use crate::sdp;
use crate::snapshot::{Reader, SnapshotError, Writer};

/// An established session: its dialog, what was agreed on, and its timer. A change that waits to be made again is not part of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSnapshot {
    /// The dialog.
    pub dialog: DialogSnapshot,
    /// Whether this end has sent the first INVITE.
    pub caller: bool,
    /// This end's Contact, as written.
    pub contact: String,
    /// Whether the peer takes UPDATE.
    pub peer_updates: bool,
    /// This end's description.
    pub local: Option<String>,
    /// What tells whether a description of the peer is new: hashes of its text, its origin and its version, and how many media it
    /// has.
    pub remote: Option<[u64; 4]>,
    /// The largest Min-SE seen, in seconds; 0 for none.
    pub min_se: u32,
    /// The session interval in seconds; 0 for no timer.
    pub interval: u32,
    /// Whether this end refreshes.
    pub refresher: bool,
    /// In how many milliseconds a refresh is due.
    pub refresh_in: Option<u64>,
    /// In how many milliseconds the session ends unless it is refreshed.
    pub ends_in: Option<u64>,
}

impl SessionSnapshot {
    /// The text form, as [`crate::snapshot`] describes it.
    pub fn write(&self) -> String {
        let mut writer = Writer::new("sip-im-session");
        self.dialog.write_to(&mut writer);
        writer.flag("caller", self.caller);
        writer.text("contact", &self.contact);
        writer.flag("peer-updates", self.peer_updates);
        if let Some(local) = &self.local {
            writer.text("local-description", local);
        }
        for part in self.remote.iter().flatten() {
            writer.number("remote-description", *part);
        }
        writer.number("min-se", self.min_se);
        writer.number("interval", self.interval);
        writer.flag("refresher", self.refresher);
        writer.optional("refresh-in", self.refresh_in);
        writer.optional("ends-in", self.ends_in);
        writer.finish()
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// Fails when it is not one; whether the values make a session is seen when it is restored.
    pub fn read(text: &str) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(text, "sip-im-session")?;
        let dialog = DialogSnapshot::read_from(&mut reader)?;
        let caller = reader.flag("caller")?;
        let contact = reader.text("contact")?.to_owned();
        let peer_updates = reader.flag("peer-updates")?;
        let local = reader.maybe("local-description")?.map(str::to_owned);
        let remote = match reader.maybe_number("remote-description")? {
            Some(first) => Some([
                first,
                reader.number("remote-description")?,
                reader.number("remote-description")?,
                reader.number("remote-description")?,
            ]),
            None => None,
        };
        let snapshot = Self {
            dialog,
            caller,
            contact,
            peer_updates,
            local,
            remote,
            min_se: reader.number("min-se")?,
            interval: reader.number("interval")?,
            refresher: reader.flag("refresher")?,
            refresh_in: reader.maybe_number("refresh-in")?,
            ends_in: reader.maybe_number("ends-in")?,
        };
        reader.finish()?;
        Ok(snapshot)
    }
}

impl core::fmt::Debug for SessionSnapshot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Descriptions are bodies.
        f.debug_struct("SessionSnapshot")
            .field("dialog", &self.dialog)
            .field("caller", &self.caller)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// What to keep of the session; `None` while a request or response of either end is under way.
    pub(crate) fn snapshot(&self, now: Instant) -> Option<SessionSnapshot> {
        if self.state != SessionState::Established || !self.is_quiet() {
            return None;
        }
        let left = |at: Option<Instant>| {
            at.map(|at| u64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX))
        };
        let text = |text: &Bytes| String::from_utf8(text.to_vec()).unwrap_or_default();
        Some(SessionSnapshot {
            dialog: self.dialog.snapshot(),
            caller: self.side == Side::Caller,
            contact: self.contact.to_string(),
            peer_updates: self.peer_updates,
            local: self.media.local.as_ref().map(text),
            remote: self.media.remote.map(|remote| {
                [
                    remote.text,
                    remote.origin,
                    remote.version,
                    u64::from(remote.media),
                ]
            }),
            min_se: self.timer.min_se,
            interval: self.timer.seconds,
            refresher: self.timer.ours,
            refresh_in: left(self.timer.refresh_at),
            ends_in: left(self.timer.ends_at),
        })
    }

    /// The session of a snapshot.
    pub(crate) fn restore(snapshot: &SessionSnapshot, now: Instant) -> Result<Self, SnapshotError> {
        let dialog = Dialog::restore(&snapshot.dialog)?;
        if !snapshot.dialog.confirmed {
            return Err(SnapshotError::Value("confirmed"));
        }
        let contact = ByteStr::from(snapshot.contact.clone());
        Contact::parse(&contact).map_err(|_| SnapshotError::Value("contact"))?;
        let local = match &snapshot.local {
            Some(text) => {
                let text = Bytes::from(text.clone());
                sdp::Session::parse(&text).map_err(|_| SnapshotError::Value("local-description"))?;
                Some(text)
            }
            None => None,
        };
        let remote = match snapshot.remote {
            Some([text, origin, version, media]) => Some(Fingerprint {
                text,
                origin,
                version,
                media: u32::try_from(media).map_err(|_| SnapshotError::Value("remote-description"))?,
            }),
            None => None,
        };
        let side = if snapshot.caller {
            Side::Caller
        } else {
            Side::Callee
        };
        let at = |left: Option<u64>| left.and_then(|left| now.checked_add(Duration::from_millis(left)));
        let mut session = Self::new(side, dialog, contact);
        session.state = SessionState::Established;
        session.media = OfferAnswer::restored(local, remote);
        session.peer_updates = snapshot.peer_updates;
        session.timer = SessionTimer::resume(snapshot.min_se, snapshot.interval, snapshot.refresher);
        if snapshot.interval > 0 {
            session.timer.refresh_at = at(snapshot.refresh_in);
            session.timer.ends_at = at(snapshot.ends_in);
        }
        Ok(session)
    }
}
