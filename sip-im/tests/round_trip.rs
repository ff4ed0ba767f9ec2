//! `parse(write(x)) == x` for every typed header field, with values drawn from its grammar.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::strategy::{Strategy, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use sip_im::ByteStr;
use sip_im::header::{self, Header, Headers};

/// How many values of each header field are drawn.
const VALUES: usize = 200;

/// Draws values of the grammar, and takes each through the type, through a message and through a list.
fn round_trip<H: Header>(grammar: &str) {
    let mut runner = TestRunner::deterministic();
    let strategy = string_regex(grammar).unwrap();
    let mut accepted = 0;
    for _ in 0..VALUES {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        let Ok(value) = H::parse(&ByteStr::from(text.as_str())) else {
            continue;
        };
        accepted += 1;
        let mut written = String::new();
        value.write(&mut written).unwrap();
        let again = H::parse(&ByteStr::from(written.as_str()))
            .unwrap_or_else(|error| panic!("{text:?} becomes {written:?}: {error}"));
        assert!(
            again == value,
            "{text:?} becomes {written:?}, which is another value"
        );
        let mut headers = Headers::new();
        if H::NAME == header::HeaderName::CONTENT_LENGTH {
            // It is the library's own to set.
            continue;
        }
        headers
            .push_typed(&value)
            .unwrap_or_else(|error| panic!("{text:?} is read and cannot be written: {error}"));
        assert!(
            headers.get::<H>().unwrap() == Some(value),
            "{text:?} is not found again"
        );
    }
    // A few that the grammar above draws are none, such as those with a parameter twice.
    assert!(
        accepted * 2 > VALUES,
        "only {accepted} of {VALUES} of {grammar} are accepted"
    );
}

macro_rules! token {
    () => {
        r"[A-Za-z0-9.!%*_+`'~-]{1,6}"
    };
}
macro_rules! params {
    () => {
        r#"( ?; ?[a-z]{1,4}( ?= ?([A-Za-z0-9.%-]{1,5}|"[a-zA-Z ,;<>@é]{0,6}"))?){0,2}"#
    };
}
macro_rules! uri {
    () => {
        r"(sips?:([a-z%.]{0}[a-z;?/=]{1,4}(:[a-z]{1,3})?@)?([a-z]{1,4}\.example|192\.0\.2\.[1-9]|\[2001:db8::[1-9a-f]\])(:[1-9][0-9]{1,3})?(;[a-z]{1,3}(=[a-z0-9:/]{1,3})?)?(\?[A-Z]{1,2}=[a-z%]{0}[a-z]{0,3})?|tel:\+[0-9][0-9.()-]{2,6}|urn:[a-z]{2,3}:[a-z0-9:]{1,5}|im:[a-z]{1,4}@[a-z]{1,3}|cid:[a-z0-9@]{1,6}|http://[a-z/]{1,5})"
    };
}
macro_rules! call_id {
    () => {
        r"[A-Za-z0-9(){}<>:?/.!%*+`'~-]{1,8}(@[a-z.]{1,6})?"
    };
}
macro_rules! media_range {
    () => {
        r"[a-z]{1,5}/(\*|[a-z0-9.+-]{1,6})"
    };
}
macro_rules! quality {
    () => {
        r"(; ?q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?))?"
    };
}
macro_rules! address {
    () => {
        concat!(
            r#"("([a-zA-Z ,;<>é]|\\["\\]){0,6}" ?|[A-Za-z.]{1,4} )?<"#,
            uri!(),
            r">"
        )
    };
}

macro_rules! round_trips {
    ($($test:ident: $header:ident, $grammar:expr;)*) => {
        $(#[test]
        fn $test() {
            round_trip::<header::$header>($grammar);
        })*
    };
}

round_trips! {
    accept: Accept, concat!(r"((", media_range!(), r"(; ?[a-z]{1,3}=[a-z0-9]{1,3})?", quality!(), r")( ?, ?(", media_range!(), r"(; ?[a-z]{1,3}=[a-z0-9]{1,3})?", quality!(), r")){0,2})?");
    accept_contact: AcceptContact, r#"\*(;\+?[a-z.-]{1,6}(=\"[A-Z,# !0-9]{1,5}\")?){0,2}(;require)?(;explicit)?"#;
    accept_encoding: AcceptEncoding, concat!(r"((", token!(), quality!(), r")( ?, ?(", token!(), quality!(), r")){0,2})?");
    accept_language: AcceptLanguage, concat!(r"(([a-z]{1,4}(-[a-z]{1,4})?", quality!(), r")( ?, ?([a-z]{1,4}(-[a-z]{1,4})?", quality!(), r")){0,2})?");
    alert_info: AlertInfo, concat!(r"<", uri!(), r">", params!());
    allow: Allow, concat!(r"((", token!(), r")( ?, ?(", token!(), r")){0,2})?");
    allow_events: AllowEvents, r"([a-z]{1,6}(\.[a-z]{1,4})?)( ?, ?([a-z]{1,6}(\.[a-z]{1,4})?)){0,2}";
    authentication_info: AuthenticationInfo, r#"(nextnonce="[a-z0-9]{1,5}"|qop=auth|rspauth="[0-9a-f]{2,6}"|cnonce="[a-z]{1,4}"|nc=00000001)(, [a-z]{1,4}="[a-z]{0,3}")?"#;
    authorization: Authorization, r#"Digest username="[a-z@. é]{1,9}", realm="[a-z .]{0,6}", nonce="[a-zA-Z0-9+/=]{1,9}", uri="sip:[a-z]{1,5}", response="[0-9a-f]{32}"(, algorithm=(MD5|SHA-256|AKAv1-MD5))?(, cnonce="[a-z0-9]{1,5}", qop=auth(-int)?, nc=0000000[1-9a-f])?(, opaque="[a-z]{0,4}")?(, auts="[a-zA-Z0-9=]{4}")?|[A-Z][a-z]{1,5} [a-z]{1,3}="[a-z]{0,4}\""#;
    c_seq: CSeq, concat!(r"[0-9]{1,9} {1,2}", token!());
    call_id: CallId, concat!(call_id!());
    call_info: CallInfo, concat!(r"<", uri!(), r">", params!());
    contact: Contact, concat!(r"\*|", address!(), r#"(;q=0\.[0-9]{1,3})?(;expires=[0-9]{1,12})?(;\+?[a-z.]{2,6}=\"[a-z<>:]{0,5}\")?"#);
    content_encoding: ContentEncoding, concat!(r"(", token!(), r")( ?, ?(", token!(), r")){0,2}");
    content_id: ContentId, r"<[a-zA-Z0-9.@+-]{1,10}>";
    content_language: ContentLanguage, r"([a-z]{1,4}(-[a-z]{1,4})?)( ?, ?([a-z]{1,4}(-[a-z]{1,4})?)){0,2}";
    content_length: ContentLength, r"[0-9]{1,15}";
    content_transfer_encoding: ContentTransferEncoding, concat!(token!());
    contribution_id: ContributionId, concat!(call_id!());
    conversation_id: ConversationId, concat!(call_id!());
    date: Date, r"(Mon|Tue|Sun), [0-2][1-8] (Jan|Feb|Dec) (19[79][0-9]|20[0-9]{2}) [01][0-9]:[0-5][0-9]:[0-5][0-9] GMT";
    error_info: ErrorInfo, concat!(r"<", uri!(), r">", params!());
    event: Event, concat!(r"[a-z]{1,6}(\.[a-z]{1,4})?", params!());
    expires: Expires, r"[0-9]{1,9}";
    flow_timer: FlowTimer, r"[0-9]{1,9}";
    from: From, concat!(address!(), r"(;tag=", token!(), r")?");
    history_info: HistoryInfo, concat!(address!(), r";index=[0-9]{1,3}(\.[0-9]{1,2}){0,2}(;(rc|mp|np)=1)?");
    in_reply_to: InReplyTo, concat!(call_id!());
    join: Join, concat!(call_id!(), r";(to-tag=", token!(), r";from-tag=", token!(), r"|from-tag=", token!(), r";to-tag=", token!(), r")");
    max_breadth: MaxBreadth, r"[0-9]{1,5}";
    max_forwards: MaxForwards, r"[0-9]{1,2}";
    mime_version: MimeVersion, r"[0-9]{1,2}\.[0-9]{1,2}";
    min_expires: MinExpires, r"[0-9]{1,9}";
    min_se: MinSe, r"[0-9]{1,9}(;[a-z]{1,3}=[a-z]{1,3})?";
    organization: Organization, r"[ -~é]{0,12}";
    p_access_network_info: PAccessNetworkInfo, concat!(r"(3GPP-[A-Z-]{1,6}|IEEE-802\.11)", params!(), r"(;network-provided)?");
    p_asserted_identity: PAssertedIdentity, concat!(address!());
    p_asserted_service: PAssertedService, r"urn:urn-7:[a-z0-9]{1,5}(\.[a-z0-9]{1,4}){0,2}";
    p_associated_uri: PAssociatedUri, concat!(address!(), params!());
    p_called_party_id: PCalledPartyId, concat!(address!(), params!());
    p_charging_function_addresses: PChargingFunctionAddresses, r#"(ccf|ecf)=([a-z0-9.]{1,6}|\"[a-z;]{1,4}\"|\[::1\])(; ?[a-z]{1,4}=[a-z0-9]{1,4})?"#;
    p_charging_vector: PChargingVector, r#"icid-value=([a-z0-9]{1,6}|\"[a-z ]{1,5}\")(;[a-z-]{1,5}=[a-z0-9.]{1,5})?"#;
    p_preferred_identity: PPreferredIdentity, concat!(address!());
    p_preferred_service: PPreferredService, r"urn:urn-7:[a-z0-9]{1,5}(\.[a-z0-9]{1,4}){0,2}";
    p_refused_uri_list: PRefusedUriList, concat!(address!(), r"(;members=<cid:[a-z]{1,3}@[a-z]{1,3}>)?");
    p_served_user: PServedUser, concat!(address!(), r"(; ?sescase=(orig|term))?(; ?regstate=(reg|unreg))?");
    p_visited_network_id: PVisitedNetworkId, concat!(r"(", token!(), r#"|"[a-zA-Z ,é]{1,8}")"#, params!());
    path: Path, concat!(address!(), params!());
    priority: Priority, concat!(token!());
    privacy: Privacy, r"((id|header|user|session|none|critical|history|[a-z]{1,4}))( ?[;,] ?((id|header|user|session|none|critical|history|[a-z]{1,4}))){0,2}";
    proxy_authenticate: ProxyAuthenticate, r#"Digest realm="[a-z .]{0,6}", nonce="[a-zA-Z0-9+/=]{1,9}"(, opaque="[a-z]{0,4}")?(, stale=(true|false))?(, algorithm=(MD5|SHA-256|SHA-512-256-sess|AKAv1-MD5|AKAv2-SHA-256))?(, qop="auth(,auth-int)?")?(, userhash=true)?|[A-Z][a-z]{1,5} [a-z]{1,3}="[a-z]{0,4}\""#;
    proxy_authentication_info: ProxyAuthenticationInfo, r#"(nextnonce="[a-z0-9]{1,5}"|qop=auth|rspauth="[0-9a-f]{2,6}"|cnonce="[a-z]{1,4}"|nc=00000001)(, [a-z]{1,4}="[a-z]{0,3}")?"#;
    proxy_authorization: ProxyAuthorization, r#"Digest username="[a-z@. é]{1,9}", realm="[a-z .]{0,6}", nonce="[a-zA-Z0-9+/=]{1,9}", uri="sip:[a-z]{1,5}", response="[0-9a-f]{32}"(, algorithm=(MD5|SHA-256|AKAv1-MD5))?(, cnonce="[a-z0-9]{1,5}", qop=auth(-int)?, nc=0000000[1-9a-f])?(, opaque="[a-z]{0,4}")?(, auts="[a-zA-Z0-9=]{4}")?|[A-Z][a-z]{1,5} [a-z]{1,3}="[a-z]{0,4}\""#;
    proxy_require: ProxyRequire, concat!(r"(", token!(), r")( ?, ?(", token!(), r")){0,2}");
    r_ack: RAck, concat!(r"[0-9]{1,9} [0-9]{1,9} ", token!());
    r_seq: RSeq, r"[0-9]{1,9}";
    reason: Reason, concat!(token!(), r#"(; ?cause ?= ?[0-9]{1,3})?(;text=\"[a-z é]{0,6}\")?"#);
    record_route: RecordRoute, concat!(address!(), params!());
    refer_sub: ReferSub, r"(true|false|TRUE)";
    refer_to: ReferTo, concat!(address!(), params!());
    referred_by: ReferredBy, concat!(address!(), r#"(;cid=\"[a-z@]{1,5}\")?"#);
    reject_contact: RejectContact, r#"\*(;\+?[a-z.-]{1,6}(=\"[A-Z,# !0-9]{1,5}\")?){0,2}"#;
    replaces: Replaces, concat!(call_id!(), r";(to-tag=", token!(), r";from-tag=", token!(), r"|from-tag=", token!(), r";to-tag=", token!(), r")(;early-only)?");
    reply_to: ReplyTo, concat!(address!(), params!());
    request_disposition: RequestDisposition, r"((proxy|redirect|cancel|no-cancel|fork|no-fork|recurse|no-recurse|parallel|sequential|queue|no-queue))( ?, ?((proxy|redirect|cancel|no-cancel|fork|no-fork|recurse|no-recurse|parallel|sequential|queue|no-queue))){0,2}";
    require: Require, concat!(r"(", token!(), r")( ?, ?(", token!(), r")){0,2}");
    retry_after: RetryAfter, r"[0-9]{1,8}( ?\([a-z ]{0,5}(\([a-z]{1,3}\))?\))?(; ?duration=[0-9]{1,6})?";
    route: Route, concat!(address!(), params!());
    security_client: SecurityClient, concat!(token!(), r"(;q=0\.[0-9])?", params!());
    security_server: SecurityServer, concat!(token!(), params!());
    security_verify: SecurityVerify, concat!(token!(), params!());
    server: Server, r"[A-Za-z/0-9. ()]{0,12}";
    service_route: ServiceRoute, concat!(address!(), params!());
    session_expires: SessionExpires, r"[0-9]{1,9}(; ?refresher=(uac|uas))?";
    sip_etag: SipEtag, concat!(token!());
    sip_if_match: SipIfMatch, concat!(token!());
    subject: Subject, r"[ -~é]{0,12}";
    subscription_state: SubscriptionState, r"(active|pending|terminated|[a-z]{2,5})(;expires=[0-9]{1,6})?(;reason=[a-z]{1,6})?(;retry-after=[0-9]{1,5})?";
    supported: Supported, concat!(r"((", token!(), r")( ?, ?(", token!(), r")){0,2})?");
    target_dialog: TargetDialog, concat!(call_id!(), r";(local-tag=", token!(), r";remote-tag=", token!(), r"|remote-tag=", token!(), r";local-tag=", token!(), r")");
    timestamp: Timestamp, r"[0-9]{1,5}(\.[0-9]{0,3})?( [0-9]{1,3}(\.[0-9]{1,2})?)?";
    to: To, concat!(address!(), r"(;tag=", token!(), r")?");
    unsupported: Unsupported, concat!(r"(", token!(), r")( ?, ?(", token!(), r")){0,2}");
    user_agent: UserAgent, r"[A-Za-z/0-9. ()]{0,12}";
    via: Via, concat!(r"SIP ?/ ?2\.0 ?/ ?(UDP|TCP|TLS|WSS|[A-Z]{1,3}) {1,2}([a-z]{1,5}\.example|192\.0\.2\.[1-9]|\[2001:db8::[1-9]\])( ?: ?[1-9][0-9]{1,3})?;branch=", token!(), r"(; ?received=(192\.0\.2\.1|2001:db8::1|\[::1\]))?(;rport(=[1-9][0-9]{1,3})?)?(;[uvw]{2}=[a-z]{1,3})?");
    warning: Warning, concat!(r"[1-9][0-9]{2} ([a-z]{1,5}\.example(:[1-9][0-9]{3})?|", token!(), r#") "([a-zA-Z é]|\\["\\]){0,8}""#);
    www_authenticate: WwwAuthenticate, r#"Digest realm="[a-z .]{0,6}", nonce="[a-zA-Z0-9+/=]{1,9}"(, opaque="[a-z]{0,4}")?(, stale=(true|false))?(, algorithm=(MD5|SHA-256|SHA-512-256-sess|AKAv1-MD5|AKAv2-SHA-256))?(, qop="auth(,auth-int)?")?(, userhash=true)?|[A-Z][a-z]{1,5} [a-z]{1,3}="[a-z]{0,4}\""#;
}
