//! Digest over SIP: the server that challenges and the client that answers.
#![cfg(test)]

mod machines;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use machines::{answer, entropy, epoch, request};
use proptest::prelude::*;
use sip_im::auth::{Authentication, AuthenticationError, Authenticator, Config, Refusal, Verdict};
use sip_im::digest::{Algorithm, Challenge, Credentials, Ha1};
use sip_im::header::{Authorization, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate};
use sip_im::{Method, Request, Response, StatusCode};

const REALM: &str = "example.com";

fn secret(user: &str, algorithm: Algorithm) -> Option<Ha1> {
    (user == "alice").then(|| Ha1::of_password(algorithm, user, REALM, "secret"))
}

struct Fixture {
    server: Authenticator,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self {
            server: Authenticator::new(Config::new(REALM), entropy(3)),
            now: epoch(),
        }
    }

    fn challenge(&mut self, request: &Request, status: StatusCode, stale: bool) -> Response {
        let mut builder = request.response(status).to_tag("t");
        for challenge in self.server.challenges(stale, self.now) {
            builder = if status == StatusCode::UNAUTHORIZED {
                builder.header_typed(&WwwAuthenticate::digest_of(challenge))
            } else {
                builder.header_typed(&ProxyAuthenticate::digest_of(challenge))
            };
        }
        builder.build().expect("a response")
    }

    fn check(&mut self, request: &Request) -> Verdict {
        self.check_as(request, request.method().as_str())
    }

    fn check_as(&mut self, request: &Request, method: &str) -> Verdict {
        let credentials = credentials(request);
        self.server
            .check(method, &credentials, secret, request.body(), self.now)
    }
}

fn credentials(request: &Request) -> Credentials {
    let headers = request.headers();
    let ours = headers
        .get::<Authorization>()
        .ok()
        .flatten()
        .and_then(|one| one.digest().cloned());
    let proxy = headers
        .get::<ProxyAuthorization>()
        .ok()
        .flatten()
        .and_then(|one| one.digest().cloned());
    ours.or(proxy).expect("credentials")
}

fn client(password: &str, realm: Option<&str>) -> Authentication {
    Authentication::new("alice", password, realm.map(str::to_owned), entropy(4))
}

fn accepted() -> Verdict {
    Verdict::Accepted {
        username: "alice".to_owned(),
    }
}

#[test]
fn a_challenge_is_answered_with_the_preferred_algorithm_and_the_next_number() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.2
    //= type=test
    //# When a UAC resubmits a request with its credentials after receiving a
    //# 401 (Unauthorized) or 407 (Proxy Authentication Required) response,
    //# it MUST increment the CSeq header field value as it would normally
    //# when sending an updated request.
    for status in [
        StatusCode::UNAUTHORIZED,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    ] {
        let (mut fixture, mut client) = (Fixture::new(), client("secret", None));
        let first = request(Method::Register, "c");
        let challenge = fixture.challenge(&first, status, false);
        let mut again = client.answer(&first, &challenge).expect("answered");
        assert_eq!(again.cseq().expect("CSeq").seq, 2);
        assert_eq!(
            credentials(&again).algorithm,
            Some(Algorithm::Sha256),
            "the topmost that is known"
        );
        assert_eq!(fixture.check(&again), accepted());
        //= https://www.rfc-editor.org/rfc/rfc7616#section-3.4
        //= type=test
        //# The nc value is the
        //# hexadecimal count of the number of requests (including the current
        //# request) that the client has sent with the nonce value in this
        //# request.
        for count in 2..5 {
            again = request(Method::Message, "d");
            client.authorize(&mut again);
            assert_eq!(credentials(&again).nc, Some(count));
            assert_eq!(fixture.check(&again), accepted());
        }
        let fresh = fixture.challenge(&again, status, true);
        let again = client
            .answer(&again, &fresh)
            .expect("answered, since it was only stale");
        assert_eq!(credentials(&again).nc, Some(1), "a new nonce is counted anew");
    }
}

#[test]
fn what_was_used_once_or_is_too_old_is_stale() {
    let (mut fixture, mut client) = (Fixture::new(), client("secret", Some(REALM)));
    let first = request(Method::Register, "c");
    let challenge = fixture.challenge(&first, StatusCode::UNAUTHORIZED, false);
    let again = client.answer(&first, &challenge).expect("answered");
    assert_eq!(fixture.check(&again), accepted());
    assert_eq!(fixture.check(&again), Verdict::Stale, "a replay");
    let mut later = request(Method::Message, "d");
    client.authorize(&mut later);
    fixture.now += Duration::from_secs(301);
    assert_eq!(fixture.check(&later), Verdict::Stale);
    // A nonce of another server, or of this one before it was started anew.
    let mut other = Authenticator::new(Config::new(REALM), entropy(99));
    let verdict = other.check("MESSAGE", &credentials(&later), secret, b"", fixture.now);
    assert_eq!(verdict, Verdict::Stale, "the password is right");
}

#[test]
fn wrong_credentials_change_nothing() {
    let (mut fixture, mut client) = (Fixture::new(), client("secret", Some(REALM)));
    let first = request(Method::Register, "c");
    let challenge = fixture.challenge(&first, StatusCode::UNAUTHORIZED, false);
    let good = client.answer(&first, &challenge).expect("answered");
    assert_eq!(fixture.server.remembered_nonces(), 0, "a challenge costs nothing");
    let right = credentials(&good);
    let mut forgeries = Vec::new();
    let mut forge = |change: fn(&mut Credentials), refusal| {
        let mut forged = right.clone();
        change(&mut forged);
        forgeries.push((forged, refusal));
    };
    forge(|c| c.response = "0".repeat(64), Refusal::WrongResponse);
    forge(|c| c.nc = Some(2), Refusal::WrongResponse);
    forge(|c| c.cnonce = Some("other".to_owned()), Refusal::WrongResponse);
    forge(|c| c.uri = Some("sip:other".to_owned()), Refusal::WrongResponse);
    forge(|c| c.username = "bob".to_owned(), Refusal::UnknownUser);
    forge(|c| c.realm = "other".to_owned(), Refusal::Realm);
    forge(|c| c.algorithm = Some(Algorithm::Sha512T256), Refusal::Algorithm);
    forge(|c| c.qop = None, Refusal::NoCount);
    for (forged, refusal) in forgeries {
        let verdict = fixture
            .server
            .check("REGISTER", &forged, secret, b"", fixture.now);
        assert_eq!(verdict, Verdict::Refused(refusal));
        assert_eq!(fixture.server.remembered_nonces(), 0, "{refusal:?}");
    }
    assert_eq!(
        fixture.check_as(&good, "MESSAGE"),
        Verdict::Refused(Refusal::WrongResponse)
    );
    assert_eq!(
        fixture.check(&good),
        accepted(),
        "the count was not spoilt by any of them"
    );
}

#[test]
fn a_client_answers_its_own_realm_only_and_a_refusal_not_at_all() {
    let mut fixture = Fixture::new();
    let first = request(Method::Register, "c");
    let challenge = fixture.challenge(&first, StatusCode::UNAUTHORIZED, false);
    let elsewhere = client("secret", Some("other.example")).answer(&first, &challenge);
    assert_eq!(elsewhere.err(), Some(AuthenticationError::OtherRealm));

    let mut wrong = client("wrong", None);
    let again = wrong.answer(&first, &challenge).expect("answered");
    assert_eq!(fixture.check(&again), Verdict::Refused(Refusal::WrongResponse));
    let challenge = fixture.challenge(&again, StatusCode::UNAUTHORIZED, false);
    assert_eq!(
        wrong.answer(&again, &challenge).err(),
        Some(AuthenticationError::Refused)
    );
    let ok = answer(&again, StatusCode::OK);
    assert_eq!(
        wrong.answer(&again, &ok).err(),
        Some(AuthenticationError::NoChallenge)
    );

    // The realm of the first challenge is the one from then on.
    let mut other = Authenticator::new(Config::new("other.example"), entropy(5));
    let foreign = other.challenges(false, fixture.now).remove(0);
    let foreign = again
        .response(StatusCode::UNAUTHORIZED)
        .header_typed(&WwwAuthenticate::digest_of(foreign))
        .build()
        .expect("a response");
    assert_eq!(
        wrong.answer(&first, &foreign).err(),
        Some(AuthenticationError::OtherRealm)
    );
}

fn challenged(request: &Request, status: StatusCode, proxies: &[&str], servers: &[&str]) -> Response {
    let mut builder = request.response(status).to_tag("t");
    for realm in proxies {
        builder = builder.header_typed(&ProxyAuthenticate::digest_of(Challenge::new(
            *realm,
            format!("nonce of {realm}"),
            Algorithm::Sha256,
        )));
    }
    for realm in servers {
        builder = builder.header_typed(&WwwAuthenticate::digest_of(Challenge::new(
            *realm,
            format!("nonce of {realm}"),
            Algorithm::Sha256,
        )));
    }
    builder.build().expect("a response")
}

fn realms(request: &Request) -> (Vec<String>, Vec<String>) {
    let proxies = request.headers().all::<ProxyAuthorization>().flatten();
    let servers = request.headers().all::<Authorization>().flatten();
    (
        proxies
            .filter_map(|one| Some(one.digest()?.realm.clone()))
            .collect(),
        servers
            .filter_map(|one| Some(one.digest()?.realm.clone()))
            .collect(),
    )
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-22.3
//= type=test
//# When resubmitting its request in response to a 401 (Unauthorized) or
//# 407 (Proxy Authentication Required) that contains multiple
//# challenges, a UAC MAY include an Authorization value for each WWW-
//# Authenticate value and a Proxy-Authorization value for each Proxy-
//# Authenticate value for which the UAC wishes to supply a credential.
#[test]
fn each_realm_whose_password_is_known_is_answered_in_one_request() {
    let mut client = client("secret", Some("home.test")).with_account("visited.test", "guest", "other");
    let first = request(Method::Message, "c");
    let response = challenged(
        &first,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        &["home.test", "visited.test", "evil.test"],
        &["home.test", "evil.test"],
    );
    let again = client.answer(&first, &response).expect("answered");
    let (proxies, servers) = realms(&again);
    assert_eq!(
        (proxies.len(), servers.as_slice()),
        (2, ["home.test".to_owned()].as_slice())
    );
    assert!(proxies.contains(&"visited.test".to_owned()) && !proxies.contains(&"evil.test".to_owned()));
    let guest = again.headers().all::<ProxyAuthorization>().flatten();
    let mut guest = guest
        .filter_map(|one| one.digest().cloned())
        .filter(|one| one.realm == "visited.test");
    let guest = guest.next().expect("credentials");
    let ha1 = Ha1::of_password(Algorithm::Sha256, "guest", "visited.test", "other");
    assert!(guest.username == "guest" && guest.verify(&ha1, "MESSAGE", b""));
    // One realm more on the way asks later: what the others have is not asked for again.
    let mut client = Authentication::new("alice", "secret", Some("home.test".to_owned()), entropy(4))
        .with_account("visited.test", "guest", "other");
    let one = client
        .answer(
            &first,
            &challenged(
                &first,
                StatusCode::PROXY_AUTHENTICATION_REQUIRED,
                &["visited.test"],
                &[],
            ),
        )
        .expect("answered");
    let two = client
        .answer(
            &one,
            &challenged(
                &one,
                StatusCode::PROXY_AUTHENTICATION_REQUIRED,
                &["home.test"],
                &[],
            ),
        )
        .expect("answered");
    assert_eq!(realms(&two).0.len(), 2);
    assert_eq!(two.cseq().expect("CSeq").seq, 3);
}

//= https://www.rfc-editor.org/rfc/rfc3261#section-22.2
//= type=test
//# UAs SHOULD cache the credentials for a given value of the To header
//# field and "realm" and attempt to re-use these values on the next
//# request for that destination.
#[test]
fn what_a_server_asked_for_is_shown_to_nobody_else() {
    let mut client = client("secret", Some("home.test"));
    let first = request(Method::Register, "c");
    client
        .answer(
            &first,
            &challenged(&first, StatusCode::UNAUTHORIZED, &[], &["home.test"]),
        )
        .expect("answered");
    let mut same = request(Method::Register, "d");
    client.authorize(&mut same);
    assert_eq!(realms(&same).1.len(), 1);
    let carol = machines::uri("sip:carol@b.test");
    let mut other = Request::builder(Method::Message, carol.clone())
        .from(&carol, None, "t")
        .to(&carol, None)
        .call_id("e")
        .cseq(1)
        .build()
        .expect("a request");
    client.authorize(&mut other);
    assert_eq!(realms(&other), (Vec::new(), Vec::new()));
}

#[test]
fn credentials_sent_ahead_may_be_asked_for_anew_once() {
    let mut client = client("secret", Some("home.test"));
    let first = request(Method::Register, "c");
    let response = challenged(&first, StatusCode::UNAUTHORIZED, &[], &["home.test"]);
    client.answer(&first, &response).expect("answered");
    let mut later = request(Method::Register, "d");
    client.authorize(&mut later);
    // A server that was started anew knows the nonce no more, and may not say that it was stale.
    let fresh = Challenge::new("home.test", "another nonce", Algorithm::Sha256);
    let response = later
        .response(StatusCode::UNAUTHORIZED)
        .header_typed(&WwwAuthenticate::digest_of(fresh.clone()))
        .build()
        .expect("a response");
    let again = client.answer(&later, &response).expect("answered");
    assert_eq!(credentials(&again).nonce, "another nonce");
    assert_eq!(
        client.answer(&again, &response).err(),
        Some(AuthenticationError::Refused)
    );
}

//= https://www.rfc-editor.org/rfc/rfc7616#section-3.5
//= type=test
//# If the nextnonce field is present, the client
//# SHOULD use it when constructing the Authorization header field for
//# its next request.
#[test]
fn the_next_nonce_is_used_next() {
    let mut client = client("secret", Some("home.test"));
    let first = request(Method::Register, "c");
    let response = challenged(&first, StatusCode::UNAUTHORIZED, &[], &["home.test"]);
    let again = client.answer(&first, &response).expect("answered");
    let mut ok = answer(&again, StatusCode::OK);
    ok.headers_mut()
        .push_typed(&sip_im::header::AuthenticationInfo::next_nonce("the next"))
        .expect("a value");
    client.note(&again, &ok);
    let mut later = request(Method::Register, "d");
    client.authorize(&mut later);
    let sent = credentials(&later);
    assert_eq!((sent.nonce.as_str(), sent.nc), ("the next", Some(1)));
}

#[test]
fn a_session_algorithm_keeps_its_client_nonce_as_long_as_its_nonce() {
    let mut client = client("secret", Some("home.test"));
    let first = request(Method::Register, "c");
    let response = first
        .response(StatusCode::UNAUTHORIZED)
        .header_typed(&WwwAuthenticate::digest_of(Challenge::new(
            "home.test",
            "n",
            Algorithm::Sha256Sess,
        )))
        .build()
        .expect("a response");
    let again = client.answer(&first, &response).expect("answered");
    let mut later = request(Method::Register, "d");
    client.authorize(&mut later);
    assert_eq!(credentials(&again).cnonce, credentials(&later).cnonce);
    assert_eq!(credentials(&later).nc, Some(2));
}

#[test]
fn an_ack_repeats_the_credentials_of_its_invite() {
    //= https://www.rfc-editor.org/rfc/rfc3261#section-22.1
    //= type=test
    //# UACs creating an ACK message
    //# will duplicate all of the Authorization and Proxy-Authorization
    //# header field values that appeared in the INVITE to which the ACK
    //# corresponds.
    let (mut fixture, mut client) = (Fixture::new(), client("secret", None));
    let first = request(Method::Invite, "c");
    let challenge = fixture.challenge(&first, StatusCode::PROXY_AUTHENTICATION_REQUIRED, false);
    let invite = client.answer(&first, &challenge).expect("answered");
    let mut ack = request(Method::Ack, "c");
    client.repeat(&invite, &mut ack);
    assert_eq!(credentials(&ack), credentials(&invite));
}

#[test]
fn secrets_are_not_printed() {
    let client = client("hunter2", None);
    let server = Authenticator::new(Config::new(REALM), entropy(6));
    assert!(!format!("{client:?} {server:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each nonce and count is accepted once, in whatever order they come.
    #[test]
    fn no_replay_is_accepted(uses in proptest::collection::vec((0..3_usize, 1..60_u32), 0..100)) {
        let mut fixture = Fixture::new();
        let challenges: Vec<_> = (0..3).map(|_| fixture.server.challenges(false, fixture.now).remove(0)).collect();
        let ha1 = Ha1::of_password(Algorithm::Sha256, "alice", REALM, "secret");
        let mut seen = BTreeSet::new();
        for (nonce, count) in uses {
            let credentials = challenges[nonce].answer("alice", &ha1, "MESSAGE", "sip:b", "c", count, b"");
            let verdict = fixture.server.check("MESSAGE", &credentials, secret, b"", fixture.now);
            let expected = if seen.insert((nonce, count)) { accepted() } else { Verdict::Stale };
            prop_assert_eq!(verdict, expected);
        }
    }
}
