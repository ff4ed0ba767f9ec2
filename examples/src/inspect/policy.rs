//! The kind `policy`: what rules decide for a message or an invitation, or in a group.

use std::time::Duration;

use bytes::Bytes;
use im_xdm_model::document::{Permission, Ruleset};
use im_xdm_model::policy::{Decision, Query as Asked, evaluate, evaluate_group};
use im_xdm_model::xml::{DateTime, Limits};
use serde::Deserialize;
use serde_json::{Value, json};
use sip_im::{Aliases, Identity, Uri};

use super::{Accepted, Query, Refusal, document};

/// Who asks.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Asserted {
    One(String),
    Several(Vec<String>),
}

/// When.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Instant {
    Seconds(f64),
    Date(String),
}

pub(super) fn inspect(query: &Query, octets: &Bytes) -> Result<Accepted, Refusal> {
    let rules = Ruleset::parse(octets, &Limits::default()).map_err(|error| document::refusal(&error))?;
    let asserted = asserted(query.asserted.as_ref())?;
    let members = identities(query.members.iter().map(String::as_str), "members")?;
    let mut aliases = Aliases::new();
    for (alias, of) in &query.aliases {
        aliases.insert(&uri(alias, "aliases")?, &uri(of, "aliases")?);
    }
    let is_member = |who: &Identity| members.iter().any(|member| aliases.fold(member) == *who);
    let mut asked = Asked::new(&asserted, instant(query.now.as_ref())?);
    asked.anonymous = query.anonymous.unwrap_or_default();
    asked.aliases = Some(&aliases);
    asked.is_member = &is_member;
    asked.sphere = query.sphere.as_deref();
    asked.service = query.service.as_deref();
    asked.media = query.media.as_deref();
    if let Some(default) = &query.default {
        asked.default = Decision::from_name(default).ok_or_else(|| wrong("default", "not a decision"))?;
    }
    let action = query.action.as_deref().unwrap_or("message");
    if let Some(permission) = Permission::from_name(action) {
        let verdict = evaluate_group(&rules, &asked);
        let decision = if verdict.grants(permission) {
            "allow"
        } else {
            "deny"
        };
        return Ok(json!({"decision": decision, "rule_ids": verdict.rule_ids}).into());
    }
    if !ACTIONS.contains(&action.to_ascii_lowercase().as_str()) {
        return Err(wrong(
            "action",
            "neither a message, an invitation nor a permission",
        ));
    }
    let verdict = evaluate(&rules, &asked);
    let value: Value = json!({
        "decision": verdict.decision.as_str(), "rule_ids": verdict.rule_ids, "default": verdict.default,
        "deciding": verdict.deciding().collect::<Vec<_>>(), "automatic": verdict.automatic, "offline_storage": verdict.offline_storage,
    });
    Ok(value.into())
}

/// What is decided in the same way: whatever reaches a user.
const ACTIONS: &[&str] = &[
    "",
    "allow-invite",
    "im",
    "invite",
    "large",
    "message",
    "pager",
    "publish",
    "session",
    "subscribe",
];

fn asserted(given: Option<&Asserted>) -> Result<Vec<Identity>, Refusal> {
    match given {
        None => Ok(Vec::new()),
        Some(Asserted::One(one)) => identities([one.as_str()], "asserted"),
        Some(Asserted::Several(several)) => identities(several.iter().map(String::as_str), "asserted"),
    }
}

fn instant(given: Option<&Instant>) -> Result<Duration, Refusal> {
    match given {
        None => Ok(Duration::ZERO),
        Some(Instant::Seconds(seconds)) => {
            Duration::try_from_secs_f64(*seconds).map_err(|error| wrong("now", &error.to_string()))
        }
        Some(Instant::Date(text)) => {
            let date: DateTime = text.parse().map_err(|_| wrong("now", "not a date of rfc 3339"))?;
            Ok(date.unix().unwrap_or_default())
        }
    }
}

fn identities<'u>(uris: impl IntoIterator<Item = &'u str>, key: &str) -> Result<Vec<Identity>, Refusal> {
    uris.into_iter()
        .map(|text| Ok(uri(text, key)?.identity()))
        .collect()
}

fn uri(text: &str, key: &str) -> Result<Uri, Refusal> {
    Uri::parse(text).map_err(|error| wrong(key, &error.to_string()))
}

fn wrong(key: &str, text: &str) -> Refusal {
    Refusal::new("query", text).at(key)
}
