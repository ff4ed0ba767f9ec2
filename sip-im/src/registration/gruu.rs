//! Addresses that lead to one instance of a user (RFC 5627), as a registrar makes and reads them.

use std::collections::BTreeMap;

use crate::Entropy;
use crate::endpoint::random_hex;
use crate::uri::{Identity, Uri};

/// An instance of a user.
type Instance = (Identity, String);

/// The temporary GRUUs of one instance.
#[derive(Debug, Default)]
struct Issued {
    /// The Call-ID of the latest REGISTER of each flow.
    call_ids: BTreeMap<Option<u32>, String>,
    tokens: Vec<String>,
}

/// Makes temporary GRUUs, and knows whose they are.
pub(super) struct Gruus {
    entropy: Entropy,
    most: usize,
    instances: BTreeMap<Instance, Issued>,
    tokens: BTreeMap<String, Instance>,
}

impl Gruus {
    pub(super) fn new(most: usize, entropy: Entropy) -> Self {
        Self {
            entropy,
            most: most.max(1),
            instances: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    /// The temporary GRUU to tell with a REGISTER: a new one, as long as there are not too many that are valid already.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    //# If it differs from the one in the REGISTER request, the registrar
    //# MUST invalidate all previously generated temporary GRUUs for the AOR
    //# and instance ID.
    pub(super) fn issue(
        &mut self,
        aor: &Identity,
        instance: &str,
        reg_id: Option<u32>,
        call_id: &str,
        host: &str,
    ) -> Option<Uri> {
        let key = (aor.clone(), instance.to_owned());
        let issued = self.instances.entry(key.clone()).or_default();
        let before = issued.call_ids.insert(reg_id, call_id.to_owned());
        if before.is_some_and(|before| before != call_id) {
            for token in issued.tokens.drain(..) {
                self.tokens.remove(&token);
            }
        }
        if issued.tokens.len() < self.most {
            let token = random_hex(&mut self.entropy, 16);
            issued.tokens.push(token.clone());
            self.tokens.insert(token, key);
        }
        let token = issued.tokens.last()?;
        Uri::parse(&format!("sip:{PREFIX}{token}@{host};gr")).ok()
    }

    /// Whose a temporary GRUU is.
    pub(super) fn find(&self, user: &str) -> Option<&Instance> {
        self.tokens.get(user.strip_prefix(PREFIX)?)
    }

    /// Forgets the temporary GRUUs of an instance that is not registered any more.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.3
    //# This means that
    //# all of the accumulated temporary GRUUs get invalidated once the last
    //# contact for a given instance ID expires.
    pub(super) fn forget(&mut self, aor: &Identity, instance: &str) {
        if let Some(issued) = self.instances.remove(&(aor.clone(), instance.to_owned())) {
            for token in issued.tokens {
                self.tokens.remove(&token);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

impl core::fmt::Debug for Gruus {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gruus")
            .field("temporary", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

/// The public GRUU of an instance.
///
//= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
//# The public GRUU MUST be
//# constructed by adding the "gr" URI parameter, with a value, to the
//# AOR.
pub(super) fn public(aor: &Uri, instance: &str) -> Option<Uri> {
    let bare = instance.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    aor.without_parameters()
        .with_parameter("gr", Some(bare.unwrap_or(instance)))
        .ok()
}

/// What temporary GRUUs begin with, so that they are told from users.
const PREFIX: &str = "tgruu.";
