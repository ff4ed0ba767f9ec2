//! The bindings of a registrar: where the users of a domain can be reached.

use core::borrow::Borrow;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::binding::{self, Binding, RegisterOutcome};
use super::config::{Config, ContactChange, RegistrarEvent};
use super::gruu::Gruus;
use super::rules;
use crate::flow::FlowId;
use crate::header::{CSeq, CallId, Contact, Expires, NameAddr, Path};
use crate::message::Request;
use crate::uri::{Identity, Uri};
use crate::{Entropy, StatusCode};

/// The bindings of the users of a domain.
///
/// Who may register is decided before: the registrar only keeps what it is given.
///
/// ```
/// use std::time::Instant;
/// use sip_im::header::Contact;
/// use sip_im::registration::{Config, Registrar};
/// use sip_im::{FlowId, Method, Request, Uri};
///
/// let mut registrar = Registrar::new(Config::default());
/// let aor = Uri::parse("sip:alice@example.com")?;
/// let request = Request::builder(Method::Register, Uri::parse("sip:example.com")?)
///     .from(&aor, None, "f1")
///     .to(&aor, None)
///     .call_id("c1")
///     .cseq(1)
///     .contact(&Contact::new(Uri::parse("sip:alice@192.0.2.4:5060")?))
///     .build()?;
/// let now = Instant::now();
/// let outcome = registrar.register(&request, &aor, FlowId(1), now);
/// assert!(outcome.first);
/// assert_eq!(registrar.bindings(&aor.identity(), now).len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Registrar {
    pub(super) config: Config,
    pub(super) bindings: BTreeMap<Identity, Vec<Binding>>,
    /// The earliest end of each user's bindings.
    deadlines: BTreeSet<(Instant, Identity)>,
    /// Who has registered over which flow.
    flows: BTreeSet<(FlowId, Identity)>,
    pub(super) gruus: Option<Gruus>,
    next_id: u64,
    pub(super) events: VecDeque<RegistrarEvent>,
}

impl Registrar {
    /// Makes a registrar without bindings.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            bindings: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            flows: BTreeSet::new(),
            gruus: None,
            next_id: 0,
            events: VecDeque::new(),
        }
    }

    /// Gives each instance that registers its addresses (RFC 5627).
    #[must_use]
    pub fn with_gruus(mut self, entropy: Entropy) -> Self {
        self.gruus = Some(Gruus::new(self.config.max_temporary_gruus, entropy));
        self
    }

    /// Takes a REGISTER for an address of record, wholly or not at all.
    ///
    //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
    //# REGISTER requests MUST
    //# also be processed atomically, meaning that a
    //# particular REGISTER request is either processed completely or not at
    //# all.
    pub fn register(&mut self, request: &Request, aor: &Uri, flow: FlowId, now: Instant) -> RegisterOutcome {
        self.register_as(request, aor.identity(), flow, now)
    }

    /// As [`Self::register`], for a user whose aliases the host has folded already.
    pub fn register_as(
        &mut self,
        request: &Request,
        aor: impl Borrow<Identity>,
        flow: FlowId,
        now: Instant,
    ) -> RegisterOutcome {
        let aor = aor.borrow();
        match self.updated(request, aor, flow, now) {
            Err(refusal) => *refusal,
            Ok(update) => {
                let mut outcome = self.commit(aor, update, now);
                if rules::supports(request, "gruu") {
                    self.add_gruus(request, aor, &mut outcome);
                }
                outcome
            }
        }
    }

    /// Where a user can be reached, the latest preference first as `q` tells.
    pub fn bindings(&self, aor: &Identity, now: Instant) -> Vec<Binding> {
        let mut bindings: Vec<_> = self
            .bindings
            .get(aor)
            .into_iter()
            .flatten()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        bindings.sort_by_key(|binding| {
            core::cmp::Reverse(Contact::Addr(binding.contact.clone()).q().unwrap_or(1000))
        });
        bindings
    }

    /// Whether a user is registered.
    pub fn is_registered(&self, aor: &Identity, now: Instant) -> bool {
        self.bindings
            .get(aor)
            .is_some_and(|bindings| bindings.iter().any(|binding| binding.expires > now))
    }

    /// How many users are registered.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// Takes note that a flow is gone: what was registered over it as a flow (RFC 5626) ends, the rest is to be reached by its
    /// address from now on.
    pub fn flow_closed(&mut self, flow: FlowId) {
        let mut affected = Vec::new();
        for (of, aor) in self.flows.range((flow, Identity::first())..) {
            if *of != flow {
                break;
            }
            affected.push(aor.clone());
        }
        for aor in affected {
            let Some(bindings) = self.bindings.get(&aor) else {
                continue;
            };
            let before = bindings.len();
            let mut kept = bindings.clone();
            kept.retain(|binding| binding.flow != Some(flow) || binding.reg_id().is_none());
            for binding in &mut kept {
                if binding.flow == Some(flow) {
                    binding.flow = None;
                }
            }
            let ended = kept.len() < before;
            let gone = kept.is_empty();
            let old = self.store(&aor, kept);
            self.tell_changes(&aor, &old, ContactChange::Deactivated);
            if ended {
                self.events.push_back(RegistrarEvent::Expired { aor, gone });
            }
        }
    }

    /// Ends what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, aor)) = self.deadlines.first().cloned() {
            if at > now {
                return;
            }
            let gone = self.end_expired(&aor, now);
            self.events.push_back(RegistrarEvent::Expired { aor, gone });
        }
    }

    /// Ends the bindings of a user whose time is over; gives whether none is left.
    fn end_expired(&mut self, aor: &Identity, now: Instant) -> bool {
        let mut kept = self.bindings.get(aor).cloned().unwrap_or_default();
        kept.retain(|binding| binding.expires > now);
        let gone = kept.is_empty();
        let old = self.store(aor, kept);
        self.tell_changes(aor, &old, ContactChange::Expired);
        gone
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Gives the next piece of news.
    pub fn poll_event(&mut self) -> Option<RegistrarEvent> {
        self.events.pop_front()
    }

    /// What the bindings are after a REGISTER, and the routes that it came with.
    fn updated(
        &self,
        request: &Request,
        aor: &Identity,
        flow: FlowId,
        now: Instant,
    ) -> Result<Update, Box<RegisterOutcome>> {
        let refused = |status| Box::new(RegisterOutcome::refused(status));
        let malformed = |error: crate::error::HeaderError| refused(error.status());
        let headers = request.headers();
        let call_id = headers.require::<CallId>().map_err(malformed)?;
        let cseq = headers.require::<CSeq>().map_err(malformed)?;
        let expires = headers
            .get::<Expires>()
            .map_err(malformed)?
            .map(|expires| expires.0);
        let contacts = headers
            .all::<Contact>()
            .collect::<Result<Vec<_>, _>>()
            .map_err(malformed)?;
        let path = headers
            .all::<Path>()
            .collect::<Result<Vec<_>, _>>()
            .map_err(malformed)?;
        //= https://www.rfc-editor.org/rfc/rfc3327#section-5.3
        //# The recommended
        //# policy is for the registrar to reject the request with a 420 "Bad
        //# Extension" response indicating the Path extension.
        if !path.is_empty() && !rules::supports_path(request) {
            return Err(refused(StatusCode::BAD_EXTENSION));
        }
        let mut bindings: Vec<Binding> = self
            .bindings
            .get(aor)
            .into_iter()
            .flatten()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        // What an earlier request of the same client has done is not undone by one that was overtaken.
        let is_late =
            |binding: &Binding| *binding.call_id == *call_id.as_str() && binding.sequence >= cseq.seq;
        if contacts.iter().any(|contact| matches!(contact, Contact::Star)) {
            //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
            //# If the request has additional Contact
            //# fields or an expiration time other than zero, the request is
            //# invalid, and the server MUST return a 400 (Invalid Request) and
            //# skip the remaining steps.
            if contacts.len() != 1 || expires != Some(0) {
                return Err(refused(StatusCode::BAD_REQUEST));
            }
            if bindings.iter().any(is_late) {
                return Err(refused(StatusCode::SERVER_INTERNAL_ERROR));
            }
            return Ok(Update {
                bindings: Vec::new(),
                path,
                outbound: false,
            });
        }
        let outbound = rules::outbound(request, &contacts, &path).map_err(refused)?;
        for contact in &contacts {
            let Contact::Addr(address) = contact else { continue };
            let mut address = address.clone();
            if !outbound {
                address.params.remove("reg-id");
            }
            let address = &self.admissible(address, request).map_err(refused)?;
            let wished = contact
                .expires()
                .or(expires)
                .unwrap_or(self.config.default_expires);
            //= https://www.rfc-editor.org/rfc/rfc3261#section-10.3
            //# If and only if the requested expiration
            //# interval is greater than zero AND smaller than one hour AND
            //# less than a registrar-configured minimum, the registrar MAY
            //# reject the registration with a response of 423 (Interval Too
            //# Brief).
            if wished > 0 && wished < 3600 && wished < self.config.min_expires {
                let mut refusal = refused(StatusCode::INTERVAL_TOO_BRIEF);
                refusal.min_expires = Some(self.config.min_expires);
                return Err(refusal);
            }
            let known = bindings.iter().position(|binding| binding.is_of(address));
            if known.and_then(|at| bindings.get(at)).is_some_and(is_late) {
                return Err(refused(StatusCode::SERVER_INTERNAL_ERROR));
            }
            if wished == 0 {
                if let Some(at) = known {
                    bindings.remove(at);
                }
                continue;
            }
            let binding = self
                .binding(address, &path, call_id.as_str(), cseq.seq, flow, wished, now)
                .ok_or_else(|| refused(StatusCode::FORBIDDEN))?;
            let full = bindings.len() >= self.config.max_contacts;
            match known.and_then(|at| bindings.get_mut(at)) {
                Some(old) => {
                    let id = old.id;
                    *old = binding;
                    old.id = id;
                }
                None if full => return Err(refused(StatusCode::FORBIDDEN)),
                None => bindings.push(binding),
            }
        }
        if !bindings.is_empty()
            && !self.bindings.contains_key(aor)
            && self.bindings.len() >= self.config.max_aors
        {
            return Err(refused(StatusCode::SERVICE_UNAVAILABLE));
        }
        Ok(Update {
            bindings,
            path,
            outbound,
        })
    }

    /// Takes a contact as it may be bound.
    //= https://www.rfc-editor.org/rfc/rfc5627#section-5.1
    //# If the contact URI is equivalent (based on URI equivalence in RFC
    //# 3261 [1]) to the AOR, the registrar MUST reject the request with a
    //# 403, since this would cause a routing loop.
    fn admissible(&self, contact: NameAddr, request: &Request) -> Result<NameAddr, StatusCode> {
        if self.gruus.is_some() && contact.params.contains("+sip.instance") {
            let loops = request.to().is_ok_and(|to| to.uri().equivalent(&contact.uri));
            if loops || !contact.uri.is_sip() {
                return Err(StatusCode::FORBIDDEN);
            }
        }
        Ok(contact)
    }

    #[expect(clippy::too_many_arguments, reason = "a binding is made of just these")]
    fn binding(
        &self,
        contact: &NameAddr,
        path: &[Path],
        call_id: &str,
        sequence: u32,
        flow: FlowId,
        wished: u32,
        now: Instant,
    ) -> Option<Binding> {
        let octets = path
            .iter()
            .map(|path| path.name_addr.to_string().len())
            .fold(contact.to_string().len(), usize::saturating_add);
        if octets > self.config.max_contact_octets || call_id.len() > self.config.max_contact_octets {
            return None;
        }
        let granted = wished.min(self.config.max_expires);
        let mut contact = contact.clone();
        for name in ["expires", "pub-gruu", "temp-gruu"] {
            contact.params.remove(name);
        }
        Some(Binding {
            contact: binding::detached(&contact),
            flow: Some(flow),
            path: path
                .iter()
                .map(|path| binding::detached(&path.name_addr))
                .collect(),
            expires: now.checked_add(Duration::from_secs(u64::from(granted)))?,
            call_id: call_id.into(),
            sequence,
            // Both are given when the request is done as a whole.
            id: NEW,
            version: NEW,
        })
    }

    fn commit(&mut self, aor: &Identity, update: Update, now: Instant) -> RegisterOutcome {
        let Update {
            mut bindings,
            path,
            outbound,
        } = update;
        for binding in bindings.iter_mut().filter(|binding| binding.version == NEW) {
            self.next_id = self.next_id.saturating_add(1);
            binding.version = self.next_id;
            if binding.id == NEW {
                binding.id = self.next_id;
            }
        }
        // Whose time is over counts as registered until that is told, so that it is told once.
        let known = self.bindings.get(aor);
        let before = known.is_some();
        if known.is_some_and(|known| known.iter().any(|binding| binding.expires <= now)) {
            self.end_expired(aor, now);
            let (aor, gone) = (aor.clone(), false);
            self.events.push_back(RegistrarEvent::Expired { aor, gone });
        }
        let after = !bindings.is_empty();
        let contacts = bindings
            .iter()
            .map(|binding| {
                let left = binding.expires.saturating_duration_since(now).as_secs();
                (binding.contact.clone(), u32::try_from(left).unwrap_or(u32::MAX))
            })
            .collect();
        let old = self.store(aor, bindings);
        self.tell_changes(aor, &old, ContactChange::Unregistered);
        RegisterOutcome {
            status: StatusCode::OK,
            contacts,
            path,
            outbound,
            flow_timer: self.config.flow_timer.filter(|_| outbound),
            min_expires: None,
            first: after && !before,
            gone: before && !after,
        }
    }

    /// Puts a user's bindings in place of what was there, which it gives, and keeps the deadlines and the flows right.
    fn store(&mut self, aor: &Identity, bindings: Vec<Binding>) -> Vec<Binding> {
        let old = self.bindings.remove(aor).unwrap_or_default();
        if !old.is_empty() {
            if let Some(first) = first_end(&old) {
                self.deadlines.remove(&(first, aor.clone()));
            }
            for flow in old.iter().filter_map(|binding| binding.flow) {
                self.flows.remove(&(flow, aor.clone()));
            }
        }
        if let Some(first) = first_end(&bindings) {
            self.deadlines.insert((first, aor.clone()));
            for flow in bindings.iter().filter_map(|binding| binding.flow) {
                self.flows.insert((flow, aor.clone()));
            }
            let mut bindings = bindings;
            bindings.shrink_to_fit();
            self.bindings.insert(aor.clone(), bindings);
        }
        old
    }
}

fn first_end(bindings: &[Binding]) -> Option<Instant> {
    bindings.iter().map(|binding| binding.expires).min()
}

/// What a REGISTER makes of a user's bindings.
struct Update {
    bindings: Vec<Binding>,
    path: Vec<Path>,
    outbound: bool,
}

/// The number of what has none yet.
const NEW: u64 = 0;
