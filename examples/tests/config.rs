//! im-server's configuration.

use examples::config::{Config, DEFAULT, Plan};

#[test]
fn the_printed_default_is_what_holds_without_it() {
    let mut printed = Config::parse(DEFAULT).unwrap();
    let plan = Plan::new(&printed).unwrap();
    let bare = Plan::new(&Config::parse("domain = 'example.com'").unwrap()).unwrap();
    assert_eq!(format!("{plan:?}"), format!("{bare:?}"));
    for service in [
        "conference_factory",
        "exploder",
        "deferred",
        "history",
        "presence",
    ] {
        assert!(DEFAULT.contains(service));
    }
    printed.services = Config::new("example.com").services;
    printed.auth.realm = None;
    assert_eq!(printed, Config::new("example.com"));
}

#[test]
fn the_examples_in_the_printed_default_are_right() {
    let text: String = DEFAULT
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with("[[") || rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = Config::parse(&text).unwrap();
    assert_eq!(
        (config.routes.len(), config.users.len(), config.groups.len()),
        (1, 1, 1)
    );
    Plan::new(&config).unwrap();
}

#[test]
fn keys_that_are_not_known_are_refused_with_their_line() {
    for (text, line) in [
        ("domain = 'example.com'\ndomian = 'x'", 2),
        ("domain = 'example.com'\n[listen]\nsip_upd = ''", 3),
        ("domain = 'example.com'\n\n\n[nonsense]\na = 1", 4),
        (
            "domain = 'example.com'\n[[users]]\nuri = 'sip:a@b'\npasword = 'x'",
            4,
        ),
        ("domain = 'example.com'\n[limits]\nmax_message_size = 'large'", 3),
        ("domain = 'example.com'\n[limits]\nmax_message_size = -1", 3),
        ("domain = 'example.com'\n[auth]\nmode = 'none'", 3),
    ] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(&format!("line {line}")), "{text}\n{error}");
    }
    assert!(Config::parse("").unwrap_err().to_string().contains("domain"));
}

#[test]
fn values_that_cannot_be_used_are_refused_with_their_key() {
    for (text, key) in [
        ("[listen]\nsip_tls = '127.0.0.1:5061'", "listen.sip_tls"),
        ("[listen]\nsip_ws = '127.0.0.1:0'", "listen.sip_ws"),
        ("[listen]\nadmin_http = '127.0.0.1:0'", "listen.admin_http"),
        ("[listen]\nsip_udp = 'nowhere'", "listen.sip_udp"),
        ("[listen]\nmsrp_tcp = ''", "listen.msrp_tcp"),
        ("[listen]\nsip_udp = ''\nsip_tcp = ''", "listen.sip_tcp"),
        (
            "[functions]\ncontrolling = 'sip:c@example.net'",
            "functions.controlling",
        ),
        (
            "[functions]\npresence = 'sip:p@example.net'",
            "functions.presence",
        ),
        ("[policy]\npolite_block = 200", "policy.polite_block"),
        ("[charging]\nfile = 'charging.jsonl'", "charging.file"),
        ("[charging]\nonline = 'deny'", "charging.online"),
        (
            "[intercept]\ntargets = ['sip:a@example.com']",
            "intercept.targets",
        ),
        (
            "[xcap]\ntrusted_proxies = ['proxy.example.com']",
            "xcap.trusted_proxies[0]",
        ),
        (
            "[auth]\ntrusted_peers = ['127.0.0.1', 'peer']",
            "auth.trusted_peers[1]",
        ),
        ("[[users]]\nuri = 'alice'", "users[0].uri"),
        (
            "[[users]]\nuri = 'sip:a@example.com'\naliases = ['tel:+1', ':']",
            "users[0].aliases[1]",
        ),
        (
            "[[routes]]\ndomain = 'b.test'\nnext_hop = '127.0.0.1'",
            "routes[0].next_hop",
        ),
        ("[core]\noutbound = 'host:1;transport=sctp'", "core.outbound"),
        ("[services]\nexploder = 'exploder'", "services.exploder"),
    ] {
        let config = Config::parse(&format!("domain = 'example.com'\n{text}")).unwrap();
        assert_eq!(Plan::new(&config).unwrap_err().key, key, "{text}");
    }
}

#[test]
fn a_trusted_route_is_trusted_at_its_own_address_only() {
    let text = "domain = 'example.com'\n[[routes]]\ndomain = 'b.test'\nnext_hop = '127.0.0.1:5070;transport=tcp'\ntrusted = true";
    let plan = Plan::new(&Config::parse(text).unwrap()).unwrap();
    assert!(plan.trusted.reached("127.0.0.1:5070".parse().unwrap()));
    assert!(!plan.trusted.contains("127.0.0.1:5071".parse().unwrap()));
}

#[test]
fn secrets_do_not_show() {
    let config =
        Config::parse("domain = 'example.com'\n[[users]]\nuri = 'sip:a@example.com'\npassword = 'hush'")
            .unwrap();
    assert!(!format!("{config:?}").contains("hush"));
    assert!(!format!("{:?}", Plan::new(&config).unwrap()).contains("hush"));
}
