//! Nicknames (RFC 7701 7), prepared and compared in the manner of RFC 7700.

use std::collections::{BTreeMap, BTreeSet};

use msrp::StatusCode;
use sip_im::Identity;

use super::roster::ParticipantKey;

/// A nickname as its holder writes it, and the form in which two are compared.
///
/// RFC 7700 2.3: spaces are trimmed and runs of them folded to one, and case does not count. Compatibility
/// decomposition is applied to the full-width forms of ASCII only, which are the ones used to imitate others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Nickname {
    shown: String,
    key: String,
}

impl Nickname {
    /// Reads what stands in `Use-Nickname`. `None` asks for no nickname (RFC 7701 7.3).
    //= https://www.rfc-editor.org/rfc/rfc7701#section-7.1
    //# If the
    //# NICKNAME request contains a malformed value in the Use-Nickname
    //# header field, the MSRP switch MUST answer the NICKNAME request with a
    //# 424 response code.
    pub(super) fn prepare(text: &str) -> Result<Option<Self>, StatusCode> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > MAX_OCTETS || text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(StatusCode::MALFORMED_NICKNAME);
        }
        let mut shown = String::with_capacity(text.len());
        for word in text.split(char::is_whitespace).filter(|word| !word.is_empty()) {
            if !shown.is_empty() {
                shown.push(' ');
            }
            shown.push_str(word);
        }
        if shown.is_empty() {
            return Err(StatusCode::MALFORMED_NICKNAME);
        }
        let key = shown.chars().map(narrow).flat_map(char::to_lowercase).collect();
        Ok(Some(Self { shown, key }))
    }

    /// The nickname as it is shown.
    pub(super) fn as_str(&self) -> &str {
        &self.shown
    }

    /// Is it a word that would pass for a pseudonym of this service?
    fn is_reserved(&self) -> bool {
        self.key
            .strip_prefix("anonymous")
            .is_some_and(|rest| rest.chars().all(|c| c == ' ' || c.is_numeric()))
    }
}

/// The nicknames in use in one conference, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Nicknames(BTreeMap<String, Holders>);

/// The sessions of one user that go by a nickname.
#[derive(Debug)]
struct Holders {
    user: Identity,
    anonymous: bool,
    sessions: BTreeSet<ParticipantKey>,
}

impl Nicknames {
    /// Gives a session of `user` the nickname, and takes the one it had.
    //= https://www.rfc-editor.org/rfc/rfc7701#section-7.2
    //# A new nickname comes into effect and the old one is released only
    //# after a NICKNAME request is accepted with a 200 response.
    pub(super) fn reserve(
        &mut self,
        session: ParticipantKey,
        user: &Identity,
        anonymous: bool,
        old: Option<&Nickname>,
        new: Option<&Nickname>,
    ) -> Result<(), StatusCode> {
        if let Some(new) = new {
            //= https://www.rfc-editor.org/rfc/rfc7701#section-7.1
            //# In these cases, the MSRP switch
            //# MUST answer the NICKNAME request with a 425 response code.
            if new.is_reserved() {
                return Err(StatusCode::NICKNAME_IN_USE);
            }
            // One user's open and anonymous sessions count as two users: a shared nickname would link them.
            let taken = self
                .0
                .get(&new.key)
                .is_some_and(|held| held.user != *user || held.anonymous != anonymous);
            if taken {
                return Err(StatusCode::NICKNAME_IN_USE);
            }
        }
        if let Some(old) = old {
            self.release(session, old);
        }
        if let Some(new) = new {
            self.0
                .entry(new.key.clone())
                .or_insert_with(|| Holders {
                    user: user.clone(),
                    anonymous,
                    sessions: BTreeSet::new(),
                })
                .sessions
                .insert(session);
        }
        Ok(())
    }

    /// Takes the nickname of a session that is gone or drops it.
    pub(super) fn release(&mut self, session: ParticipantKey, nickname: &Nickname) {
        if let Some(holders) = self.0.get_mut(&nickname.key) {
            holders.sessions.remove(&session);
            if holders.sessions.is_empty() {
                self.0.remove(&nickname.key);
            }
        }
    }
}

/// RFC 7701 7.1: a nickname has 1 to 1023 octets.
const MAX_OCTETS: usize = 1023;

/// The ASCII character that a full-width form stands for.
fn narrow(c: char) -> char {
    match u32::from(c) {
        code @ 0xFF01..=0xFF5E => char::from_u32(code.saturating_sub(0xFEE0)).unwrap_or(c),
        _ => c,
    }
}

/// Characters without a glyph of their own, which RFC 7700 disallows: they make two nicknames look alike.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_im::Uri;

    fn nickname(text: &str) -> Nickname {
        Nickname::prepare(text).unwrap().unwrap()
    }

    #[test]
    fn spaces_case_and_width_do_not_make_two_nicknames() {
        assert_eq!(nickname("  Alice   the  great ").as_str(), "Alice the great");
        assert_eq!(nickname("ALICE").key, nickname("ａｌｉｃｅ").key);
    }

    #[test]
    fn an_empty_one_asks_for_none_and_a_malformed_one_is_424() {
        assert_eq!(Nickname::prepare(""), Ok(None));
        for text in ["   ", "a\u{0}b", "a\u{200b}b", &"x".repeat(1024)] {
            assert_eq!(Nickname::prepare(text), Err(StatusCode::MALFORMED_NICKNAME));
        }
        assert!(Nickname::prepare(&"x".repeat(1023)).is_ok());
    }

    #[test]
    fn one_in_use_or_reserved_is_425_and_the_old_one_stays() {
        let (alice, bob) = (
            Uri::parse("sip:alice@example.com").unwrap().identity(),
            Uri::parse("sip:bob@example.com").unwrap().identity(),
        );
        let (key, other) = (ParticipantKey(1), ParticipantKey(2));
        let mut names = Nicknames::default();
        names
            .reserve(key, &alice, false, None, Some(&nickname("Queen")))
            .unwrap();
        names
            .reserve(other, &bob, false, None, Some(&nickname("King")))
            .unwrap();
        let king = nickname("King");
        assert_eq!(
            names.reserve(other, &bob, false, Some(&king), Some(&nickname("queen"))),
            Err(StatusCode::NICKNAME_IN_USE)
        );
        assert_eq!(
            names.reserve(other, &bob, false, Some(&king), Some(&nickname("Anonymous 7"))),
            Err(StatusCode::NICKNAME_IN_USE)
        );
        assert_eq!(
            names.reserve(key, &alice, false, Some(&nickname("Queen")), Some(&king)),
            Err(StatusCode::NICKNAME_IN_USE)
        );
        names
            .reserve(key, &alice, false, Some(&nickname("Queen")), None)
            .unwrap();
        names
            .reserve(other, &bob, false, Some(&king), Some(&nickname("QUEEN")))
            .unwrap();
    }

    #[test]
    fn another_session_of_the_same_user_may_share_it_unless_that_would_unmask_him() {
        let alice = Uri::parse("sip:alice@example.com").unwrap().identity();
        let mut names = Nicknames::default();
        let queen = nickname("Queen");
        names
            .reserve(ParticipantKey(1), &alice, false, None, Some(&queen))
            .unwrap();
        names
            .reserve(ParticipantKey(2), &alice, false, None, Some(&queen))
            .unwrap();
        assert!(
            names
                .reserve(ParticipantKey(3), &alice, true, None, Some(&queen))
                .is_err()
        );
        names.release(ParticipantKey(1), &queen);
        assert!(
            names
                .reserve(ParticipantKey(3), &alice, true, None, Some(&queen))
                .is_err()
        );
        names.release(ParticipantKey(2), &queen);
        assert!(
            names
                .reserve(ParticipantKey(3), &alice, true, None, Some(&queen))
                .is_ok()
        );
    }
}
