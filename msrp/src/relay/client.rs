//! The client's side of AUTH: one relay after the other, each through those before it (RFC 4976 section 5.1).

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::codec::{self, Continuation, Head};
use crate::digest::{AuthenticationInfo, Challenge, Credentials, Ha1, Qop};
use crate::header::{Expires, FromPath, MaxExpires, MinExpires, ToPath, UsePath};
use crate::{Method, StatusCode, TransactionId, Uri};

/// The relays that a client uses, and how it proves who it is.
#[derive(Clone)]
#[non_exhaustive]
pub struct Access {
    /// The relays' URIs, the nearest first; each is asked through those before it.
    pub relays: Vec<Uri>,
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The realm that the password is for; none answers whatever realm a relay names first.
    pub realm: Option<String>,
    /// For how long the path is asked for; none leaves it to the relays.
    pub expires: Option<Duration>,
    /// Whether a relay has to prove that it knows the password too, which RFC 4976 section 9.1 demands of relays, but
    /// some do not (default no; a proof that is wrong is never taken).
    pub require_proof: bool,
}

impl Access {
    /// The access of a user to relays, for as long as they give it.
    pub fn new(relays: Vec<Uri>, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            relays,
            username: username.into(),
            password: password.into(),
            realm: None,
            expires: None,
            require_proof: false,
        }
    }
}

/// Tells no password.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("relays", &self.relays)
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why a client has no relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The first relay cannot be connected to.
    OpenFailed,
    /// The connection to it is gone; so is what was given on it.
    ConnectionLost,
    /// A relay has not answered.
    Timeout,
    /// A relay has refused, with this status.
    Refused(StatusCode),
    /// A relay does not take the password.
    WrongPassword,
    /// A relay's challenge cannot be answered: another realm, scheme, algorithm or protection.
    Challenge,
    /// A relay's answer cannot be read, or lacks the path.
    Malformed,
    /// A relay has not proved that it knows the password.
    NotProved,
}

/// What an answer has come to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// There is another request to be sent.
    Again,
    /// All relays have agreed.
    Done,
    /// It has failed.
    Failed(Failure),
}

/// A client that asks its relays for a path.
#[derive(Debug)]
pub(crate) struct Enlisting {
    access: Access,
    local: Uri,
    /// Which relay is asked.
    step: usize,
    /// The path through those before it; through all, in the end.
    path: Vec<Uri>,
    challenge: Option<Challenge>,
    /// The realm of this relay, once it has named one.
    realm: Option<String>,
    /// How often the challenge was answered.
    count: u32,
    /// What was sent last.
    sent: Option<(Credentials, Ha1)>,
    /// How often this relay was asked.
    tries: u32,
    /// What this relay is asked for, in seconds.
    expires: Option<u64>,
    /// The shortest lifetime that a relay has given, in seconds.
    lifetime: Option<u64>,
}

impl Enlisting {
    pub(crate) fn new(access: Access, local: Uri) -> Self {
        let mut enlisting = Self {
            access,
            local,
            step: 0,
            path: Vec::new(),
            challenge: None,
            realm: None,
            count: 0,
            sent: None,
            tries: 0,
            expires: None,
            lifetime: None,
        };
        enlisting.expires = enlisting.wanted();
        enlisting
    }

    /// Begins again, before what was given expires.
    pub(crate) fn restart(&mut self) {
        let keeps_challenge = self.access.relays.len() == 1;
        self.step = 0;
        self.path.clear();
        self.lifetime = None;
        self.tries = 0;
        self.expires = self.wanted();
        if !keeps_challenge {
            self.challenge = None;
            self.realm = None;
        }
    }

    fn wanted(&self) -> Option<u64> {
        self.access.expires.map(|expires| expires.as_secs())
    }

    /// The path through the relays, as `To-Path` has it.
    pub(crate) fn path(&self) -> &[Uri] {
        &self.path
    }

    /// For how long it is good.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.lifetime.map(Duration::from_secs)
    }

    /// Writes the next request.
    //= https://www.rfc-editor.org/rfc/rfc4976#section-5.1
    //# When a client wishes to use more than one relay, it MUST send an AUTH
    //# request to each relay it wishes to use.
    pub(crate) fn request(
        &mut self,
        out: &mut BytesMut,
        transaction: &TransactionId,
        random: [u8; crate::id::RANDOM],
    ) -> Option<Bytes> {
        let relay = self.access.relays.get(self.step)?.clone();
        let mut to = self.path.clone();
        to.push(relay.clone());
        self.tries = self.tries.saturating_add(1);
        codec::request_line(out, transaction, &Method::Auth);
        codec::header(out, &ToPath::new(to)?);
        codec::header(out, &FromPath::new(vec![self.local.clone()])?);
        self.sent = None;
        if let Some(challenge) = &self.challenge {
            let access = &self.access;
            let ha1 = Ha1::of_password(
                challenge.algorithm,
                &access.username,
                &challenge.realm,
                &access.password,
            );
            self.count = self.count.saturating_add(1);
            let cnonce = TransactionId::mint(random, 0);
            //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
            //# The request-URI to be used in calculating H(A2) is the rightmost
            //# URI in the To-Path header.
            let credentials = challenge.answer(
                &access.username,
                &ha1,
                Method::Auth.as_str(),
                relay.as_str(),
                cnonce.as_str(),
                self.count,
                b"",
            );
            codec::raw_header(out, "Authorization", &credentials.to_string());
            self.sent = Some((credentials, ha1));
        }
        if let Some(expires) = self.expires {
            codec::header(out, &Expires(expires));
        }
        codec::end_line(out, transaction, Continuation::Complete);
        Some(out.split().freeze())
    }

    /// Takes the answer.
    pub(crate) fn answered(&mut self, head: &Head, status: StatusCode) -> Progress {
        let result = match status {
            StatusCode::OK => self.granted(head),
            StatusCode::UNAUTHORIZED => self.challenged(head),
            StatusCode::INTERVAL_OUT_OF_BOUNDS => self.out_of_bounds(head),
            _ => Err(Failure::Refused(status)),
        };
        match result {
            Ok(()) if self.step >= self.access.relays.len() => Progress::Done,
            // A relay that is never content is not asked forever.
            Ok(()) if self.tries >= TRIES => Progress::Failed(Failure::Refused(status)),
            Ok(()) => Progress::Again,
            Err(failure) => Progress::Failed(failure),
        }
    }

    fn granted(&mut self, head: &Head) -> Result<(), Failure> {
        let path = head.headers.get::<UsePath>();
        let path = path.ok().flatten().ok_or(Failure::Malformed)?;
        let expires = head.headers.get::<Expires>().map_err(|_| Failure::Malformed)?;
        let info = match head.headers.value("Authentication-Info") {
            Some(value) => Some(AuthenticationInfo::parse(value).map_err(|_| Failure::Malformed)?),
            None => None,
        };
        let relay = self.access.relays.get(self.step).ok_or(Failure::Malformed)?;
        //= https://www.rfc-editor.org/rfc/rfc4976#section-9.4
        //# Further, the use of the rspauth parameter in the
        //# Authentication-Info header provides limited authentication of relays
        //# to which the client is not directly connected.
        let proof = info.as_ref().filter(|info| info.rspauth.is_some());
        match (proof, &self.sent) {
            (Some(info), Some((credentials, ha1))) if !info.proves(credentials, ha1, relay.as_str()) => {
                return Err(Failure::NotProved);
            }
            (None, _) if self.access.require_proof => return Err(Failure::NotProved),
            _ => {}
        }
        if let Some(nonce) = info.and_then(|info| info.nextnonce)
            && let Some(challenge) = &mut self.challenge
        {
            challenge.nonce = nonce;
            self.count = 0;
        }
        path.uris().clone_into(&mut self.path);
        if let Some(Expires(seconds)) = expires {
            self.lifetime = Some(self.lifetime.map_or(seconds, |lifetime| lifetime.min(seconds)));
        }
        self.step = self.step.saturating_add(1);
        if self.step < self.access.relays.len() {
            self.challenge = None;
            self.realm = None;
            self.tries = 0;
            self.expires = self.wanted();
        }
        Ok(())
    }

    fn challenged(&mut self, head: &Head) -> Result<(), Failure> {
        // Each relay may have a realm of its own, but not another one from request to request.
        let realm = self.access.realm.as_ref().or(self.realm.as_ref());
        //= https://www.rfc-editor.org/rfc/rfc4976#section-9.1
        //# Clients MUST NOT attempt to use Basic authentication, and relays
        //# MUST NOT request or accept Basic authentication.
        let challenge = head
            .headers
            .values("WWW-Authenticate")
            .filter_map(|value| Challenge::parse(value).ok())
            .find(|challenge| {
                challenge.qop.contains(&Qop::Auth)
                    && !challenge.algorithm.is_session()
                    && realm.is_none_or(|realm| *realm == challenge.realm)
            })
            .ok_or(Failure::Challenge)?;
        // The same password would be refused again; a nonce that was only too old is another matter.
        let same_nonce_family = self.tries > 1;
        if self.sent.is_some() && !challenge.stale && same_nonce_family {
            return Err(Failure::WrongPassword);
        }
        self.realm = Some(challenge.realm.clone());
        self.challenge = Some(challenge);
        self.count = 0;
        Ok(())
    }

    fn out_of_bounds(&mut self, head: &Head) -> Result<(), Failure> {
        let least = head.headers.get::<MinExpires>().map_err(|_| Failure::Malformed)?;
        let most = head.headers.get::<MaxExpires>().map_err(|_| Failure::Malformed)?;
        let wanted = match (least, most) {
            (Some(MinExpires(least)), _) => Some(least),
            (None, Some(MaxExpires(most))) => Some(most),
            // A relay that does not say its bounds is asked without a wish.
            (None, None) => None,
        };
        if self.expires == wanted {
            return Err(Failure::Refused(StatusCode::INTERVAL_OUT_OF_BOUNDS));
        }
        self.expires = wanted;
        Ok(())
    }
}

/// How often one relay is asked: without credentials, with them, with a fresh nonce, and with another lifetime.
const TRIES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Decoder, Frame, Leniency, Limits};

    fn head(status: u16, headers: &str) -> Head {
        let mut decoder = Decoder::new(Limits::default(), Leniency::default());
        decoder.push(Bytes::from(format!(
            "MSRP tid1 {status}\r\nTo-Path: msrp://a:1/a;tcp\r\nFrom-Path: msrp://r:1;tcp\r\n{headers}-------tid1$\r\n"
        )));
        match decoder.next() {
            Ok(Some(Frame::Head(head))) => head,
            other => panic!("{other:?}"),
        }
    }

    fn request(enlisting: &mut Enlisting) -> String {
        let id = TransactionId::new("tid1").unwrap();
        let octets = enlisting
            .request(&mut BytesMut::new(), &id, [7; crate::id::RANDOM])
            .unwrap();
        String::from_utf8(octets.to_vec()).unwrap()
    }

    fn enlisting(change: impl Fn(&mut Access)) -> Enlisting {
        let mut access = Access::new(vec![Uri::parse("msrp://r:1;tcp").unwrap()], "alice", "secret");
        access.expires = Some(Duration::from_secs(7200));
        change(&mut access);
        Enlisting::new(access, Uri::parse("msrp://a:1/a;tcp").unwrap())
    }

    #[test]
    fn a_relay_that_does_not_say_its_bounds_decides_itself() {
        let mut enlisting = enlisting(|_| {});
        let out_of_bounds = StatusCode::INTERVAL_OUT_OF_BOUNDS;
        assert!(request(&mut enlisting).contains("Expires: 7200\r\n"));
        let answer = head(423, "");
        assert_eq!(enlisting.answered(&answer, out_of_bounds), Progress::Again);
        assert!(!request(&mut enlisting).contains("Expires"));
        let refused = Progress::Failed(Failure::Refused(out_of_bounds));
        assert_eq!(enlisting.answered(&answer, out_of_bounds), refused);
    }

    #[test]
    fn a_wrong_proof_is_never_taken_and_a_missing_one_only_if_it_is_not_demanded() {
        let challenge = r#"WWW-Authenticate: Digest realm="r", nonce="n", qop="auth""#;
        let granted = |info: &str| format!("Use-Path: msrp://r:1/u;tcp\r\nExpires: 900\r\n{info}");
        for (demanded, info, outcome) in [
            (false, "", Progress::Done),
            (true, "", Progress::Failed(Failure::NotProved)),
            (
                false,
                "Authentication-Info: rspauth=\"00000000000000000000000000000000\"\r\n",
                Progress::Failed(Failure::NotProved),
            ),
            (
                false,
                "Authentication-Info: nc=x\r\n",
                Progress::Failed(Failure::Malformed),
            ),
        ] {
            let mut enlisting = enlisting(|access| access.require_proof = demanded);
            request(&mut enlisting);
            let challenged = head(401, &format!("{challenge}\r\n"));
            assert_eq!(
                enlisting.answered(&challenged, StatusCode::UNAUTHORIZED),
                Progress::Again
            );
            assert!(request(&mut enlisting).contains("nc=00000001"));
            let answer = head(200, &granted(info));
            assert_eq!(enlisting.answered(&answer, StatusCode::OK), outcome, "{info}");
        }
    }

    #[test]
    fn challenges_that_must_not_be_answered_are_not() {
        for challenge in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\", nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5-sess",
        ] {
            let mut enlisting = enlisting(|_| {});
            request(&mut enlisting);
            let challenged = head(401, &format!("WWW-Authenticate: {challenge}\r\n"));
            let outcome = enlisting.answered(&challenged, StatusCode::UNAUTHORIZED);
            assert_eq!(outcome, Progress::Failed(Failure::Challenge), "{challenge}");
        }
    }
}
