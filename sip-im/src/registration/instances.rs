//! What a registrar knows of instances: their addresses, their flows, and what becomes of their contacts.

use std::time::Instant;

use super::binding::{Binding, RegisterOutcome};
use super::config::{ContactChange, RegistrarEvent};
use super::gruu::{self, Gruus};
use super::registrar::Registrar;
use crate::StatusCode;
use crate::header::Contact;
use crate::message::Request;
use crate::uri::{Identity, Uri};

impl Registrar {
    /// Where the GRUU of an instance leads: its bindings, the latest first; `None` if the URI is none of those made here.
    ///
    /// # Errors
    ///
    /// Fails with what to answer: 404 when a temporary GRUU is not valid any more, 480 when the instance is not registered.
    pub fn dereference(&self, uri: &Uri, now: Instant) -> Option<Result<Vec<Binding>, StatusCode>> {
        let gruus = self.gruus.as_ref()?;
        let (aor, instance) = match uri.parameter("gr")? {
            Some(instance) => (uri.without_parameters().identity(), format!("<{instance}>")),
            None => match gruus.find(uri.user()?) {
                Some((aor, instance)) => (aor.clone(), instance.clone()),
                None => return Some(Err(StatusCode::NOT_FOUND)),
            },
        };
        let bindings = self.bindings.get(&aor).into_iter().flatten();
        let mut found: Vec<Binding> = bindings
            .filter(|binding| binding.expires > now && binding.instance().as_deref() == Some(&instance))
            .cloned()
            .collect();
        found.sort_by_key(|binding| core::cmp::Reverse(binding.version));
        Some(if found.is_empty() {
            Err(StatusCode::TEMPORARILY_UNAVAILABLE)
        } else {
            Ok(found)
        })
    }

    /// Where a user can be reached, one entry for each instance, the preferred one first: the flows of an instance, the latest first,
    /// of which one is tried after the other.
    ///
    //= https://www.rfc-editor.org/rfc/rfc5626#section-7
    //# The proxy MUST NOT populate the target set with more than one contact
    //# with the same AOR and instance-id at a time.
    pub fn targets(&self, aor: &Identity, now: Instant) -> Vec<Vec<Binding>> {
        let mut targets: Vec<Vec<Binding>> = Vec::new();
        for binding in self.bindings(aor, now) {
            let instance = binding.reg_id().and_then(|_| binding.instance());
            let same = targets.iter_mut().find(|target| {
                let first = target.first().filter(|first| first.reg_id().is_some());
                instance.is_some() && first.and_then(Binding::instance) == instance
            });
            match same {
                Some(target) => target.push(binding),
                None => targets.push(vec![binding]),
            }
        }
        for target in &mut targets {
            target.sort_by_key(|binding| core::cmp::Reverse(binding.version));
        }
        targets
    }

    /// Temporary GRUUs that are valid.
    pub fn temporary_gruus(&self) -> usize {
        self.gruus.as_ref().map_or(0, Gruus::len)
    }

    pub(super) fn add_gruus(&mut self, request: &Request, aor: &Identity, outcome: &mut RegisterOutcome) {
        let Some(gruus) = &mut self.gruus else { return };
        let (Ok(to), Ok(call_id)) = (request.to(), request.call_id()) else {
            return;
        };
        let Some(host) = to.uri().host() else { return };
        for (contact, _) in &mut outcome.contacts {
            let Some(instance) = contact.params.unquoted("+sip.instance") else {
                continue;
            };
            if let Some(public) = gruu::public(to.uri(), &instance) {
                let _ = contact.params.set("pub-gruu", Some(public.as_str()));
            }
            let reg_id = contact
                .params
                .get("reg-id")
                .flatten()
                .and_then(|text| text.parse().ok());
            let ours = request.headers().all::<Contact>().flatten().any(|asked| {
                asked
                    .params()
                    .and_then(|params| params.unquoted("+sip.instance"))
                    .as_ref()
                    == Some(&instance)
            });
            if ours && let Some(temporary) = gruus.issue(aor, &instance, reg_id, call_id.as_str(), host) {
                let _ = contact.params.set("temp-gruu", Some(temporary.as_str()));
            }
        }
    }

    /// Tells of a contact, and forgets the addresses of an instance that is not there any more.
    fn tell(&mut self, aor: &Identity, binding: &Binding, change: ContactChange) {
        if self.config.report_contacts {
            self.events.push_back(RegistrarEvent::Contact {
                aor: aor.clone(),
                id: binding.id,
                uri: binding.contact.uri.clone(),
                change,
            });
        }
        let ended = !matches!(
            change,
            ContactChange::Registered | ContactChange::Refreshed | ContactChange::Shortened
        );
        let Some(instance) = binding.instance().filter(|_| ended) else {
            return;
        };
        let mut left = self.bindings.get(aor).into_iter().flatten();
        if !left.any(|other| other.instance().as_ref() == Some(&instance))
            && let Some(gruus) = &mut self.gruus
        {
            gruus.forget(aor, &instance);
        }
    }

    /// Tells what has become of each contact of a user, who had these before.
    pub(super) fn tell_changes(&mut self, aor: &Identity, before: &[Binding], ended: ContactChange) {
        let after = self.bindings.get(aor).cloned().unwrap_or_default();
        for old in before {
            if !after.iter().any(|new| new.id == old.id) {
                self.tell(aor, old, ended);
            }
        }
        for new in &after {
            match before.iter().find(|old| old.id == new.id) {
                None => self.tell(aor, new, ContactChange::Registered),
                Some(old) if new.version != old.version && new.expires < old.expires => {
                    self.tell(aor, new, ContactChange::Shortened);
                }
                Some(old) if new.version != old.version => self.tell(aor, new, ContactChange::Refreshed),
                Some(_) => {}
            }
        }
    }
}
