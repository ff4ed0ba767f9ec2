//! Requests from outside a dialog: which function of the server they are for, and how conferences are created and joined.

use std::time::Instant;

use im_xdm_model::document::ResourceLists;
use im_xdm_model::list::{self, ListError, Recipients};
use im_xdm_model::xml;
use sip_im::header::{From, Subject, To};
use sip_im::mime::Part;
use sip_im::{Identity, Method, Request, StatusCode, Uri};

use super::admit::check_entry;
use super::bodies::Bodies;
use super::dial_out::Invitation;
use super::event::ConferenceKind;
use super::nesting::{Addressed, Step};
use super::policy::{Member, Rules};
use super::reply::{
    EXTENSIONS, FACTORY_METHODS, FOCUS_METHODS, GROUP_METHODS, Refusal, describe, focus_contact, is_focus,
    requires, unsupported,
};
use super::roster::Caller;
use super::{ConferenceKey, Controlling};
use crate::ServiceWarning;
use crate::signal::{IncomingId, Origin};

/// A conference is to be created, unless a group is among those it invites.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) id: IncomingId,
    pub(super) request: Request,
    pub(super) caller: Caller,
    /// The group's address; an ad hoc conference gets one.
    pub(super) group: Option<Uri>,
    pub(super) rules: Rules,
    /// The list that the request brought.
    pub(super) recipients: Option<Recipients>,
}

/// What a request is for.
enum Target {
    Factory,
    Exploder,
    Conference(ConferenceKey),
    Group(Rules),
    Unknown,
}

impl Controlling {
    /// A request, in a dialog or outside.
    pub(super) fn request(&mut self, id: IncomingId, request: Request, origin: &Origin, now: Instant) {
        let caller = match self.caller(&request, origin) {
            Ok(caller) => caller,
            Err(refusal) => return self.refuse(id, &request, None, refusal),
        };
        if request
            .headers()
            .get::<To>()
            .is_ok_and(|to| to.is_some_and(|to| to.tag().is_some()))
        {
            return self.request_in_dialog(id, &request, caller, now);
        }
        if self.shutting_down {
            return self.refuse(id, &request, Some(&caller.identity), Refusal::overloaded());
        }
        let target = self.target(request.uri());
        match target {
            Target::Factory => self.factory_request(id, &request, &caller, now),
            Target::Exploder => self.exploder_request(id, &request, &caller, now),
            Target::Conference(key) => self.conference_request(key, id, &request, &caller, now),
            Target::Group(rules) => self.group_request(id, &request, &caller, rules, now),
            Target::Unknown => self.unknown_request(id, request, caller, now),
        }
    }

    /// Who a request comes from. Without an asserted identity nobody gets anything (RFC 5363 5.2).
    fn caller(&self, request: &Request, origin: &Origin) -> Result<Caller, Refusal> {
        let originator = &origin.originator;
        let refusal = Refusal::forbidden(ServiceWarning::ServiceNotAuthorised);
        let uri = originator.identities.first().cloned().ok_or(refusal)?;
        let identities: Vec<_> = originator
            .identities
            .iter()
            .map(|uri| self.aliases.fold(&uri.identity()))
            .collect();
        let identity = origin
            .user
            .clone()
            .unwrap_or_else(|| self.aliases.fold(&uri.identity()));
        let display = originator.display.as_ref().map(ToString::to_string).or_else(|| {
            let from = request.headers().get::<From>().ok().flatten()?;
            from.display().map(str::to_owned)
        });
        Ok(Caller {
            identity,
            identities,
            uri,
            display,
            anonymous: originator.anonymous,
        })
    }

    fn target(&self, uri: &Uri) -> Target {
        let identity = uri.identity();
        if identity == self.factory {
            return Target::Factory;
        }
        if identity == self.exploder {
            return Target::Exploder;
        }
        if let Some(key) = self.by_identity.get(&identity) {
            return Target::Conference(*key);
        }
        match self.groups.get(&identity) {
            Some(rules) => Target::Group(rules.clone()),
            None => Target::Unknown,
        }
    }

    fn factory_request(&mut self, id: IncomingId, request: &Request, caller: &Caller, now: Instant) {
        let result = match request.method() {
            Method::Invite => self.factory_invite(id, request, caller, now),
            Method::Options => {
                self.options(id, request, FACTORY_METHODS, &["recipient-list-invite"], None);
                Ok(())
            }
            method => Err(refused_method(method, FACTORY_METHODS)),
        };
        if let Err(refusal) = result {
            self.refuse(id, request, Some(&caller.identity), refusal);
        }
    }

    /// An INVITE to the conference factory: everything is checked before anybody is invited.
    fn factory_invite(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) -> Result<(), Refusal> {
        //= R-5.3.2.1.3-06
        if is_focus(request) {
            return Err(Refusal::nested());
        }
        unsupported(request, &["recipient-list-invite", "norefersub", "timer"])?;
        let bodies = Bodies::of(request)?;
        let recipients = match (&bodies.list, requires(request, "recipient-list-invite")) {
            (None, false) => None,
            (None, true) => return Err(StatusCode::BAD_REQUEST.into()),
            (Some(_), false) => return Err(Refusal::needs("recipient-list-invite")),
            (Some(list), true) => Some(self.recipients(list)?),
        };
        let members = match &recipients {
            Some(recipients) => self.members(recipients, &caller.identity)?,
            None => Vec::new(),
        };
        let addresses: Vec<_> = members.iter().map(|member| member.identity.clone()).collect();
        let creation = Creation {
            id,
            request: request.clone(),
            caller: caller.clone(),
            group: None,
            rules: Rules::ad_hoc(
                &caller.identity,
                members,
                self.config.open_adhoc_groups,
                &self.config.limits,
            ),
            recipients,
        };
        if addresses.is_empty() {
            self.create(creation, now);
        } else {
            self.find_groups(addresses, Step::Create(Box::new(creation)), now);
        }
        Ok(())
    }

    /// Reads a list of recipients.
    pub(super) fn recipients(&self, list: &Part) -> Result<Recipients, Refusal> {
        let lists = ResourceLists::parse(list.body(), &xml::Limits::default())
            .map_err(|_| StatusCode::BAD_REQUEST)?;
        let mut options = list::Options::default();
        options.aliases = self.aliases.clone();
        // The list is read a little beyond the limit, so that what is too long is told from what is malformed.
        options.max_recipients = self.config.limits.max_adhoc_group_size.saturating_add(1);
        list::recipients(&lists, &options).map_err(|error| match error {
            ListError::TooMany => Refusal::too_many(),
            ListError::External { .. } => Refusal::forbidden(ServiceWarning::FunctionNotAllowed),
            _ => StatusCode::BAD_REQUEST.into(),
        })
    }

    /// Those of a list who are to get something: not the sender himself, no group, and not too many.
    pub(super) fn members(&self, recipients: &Recipients, sender: &Identity) -> Result<Vec<Member>, Refusal> {
        if recipients.entries.len() > self.config.limits.max_adhoc_group_size {
            return Err(Refusal::too_many());
        }
        let members: Vec<_> = recipients
            .entries
            .iter()
            .enumerate()
            .map(|(entry, recipient)| Member::of_list(entry, recipient))
            .filter(|member| member.identity != *sender)
            .collect();
        self.check_members(&members)?;
        Ok(members)
    }

    /// A request to a group that has no conference.
    pub(super) fn group_request(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        rules: Rules,
        now: Instant,
    ) {
        let result = match request.method() {
            Method::Invite => self.group_invite(id, request, caller, rules, now),
            Method::Message => self.group_message(id, request, caller, &rules, now),
            Method::Options => {
                let uri = request.uri().without_parameters();
                self.options(id, request, GROUP_METHODS, EXTENSIONS, Some(&uri));
                Ok(())
            }
            // There is nobody who could ask, and nothing to learn.
            Method::Subscribe | Method::Refer => Err(StatusCode::NOT_FOUND.into()),
            method => Err(refused_method(method, GROUP_METHODS)),
        };
        if let Err(refusal) = result {
            self.refuse(id, request, Some(&caller.identity), refusal);
        }
    }

    /// The first INVITE to a group begins its conference.
    fn group_invite(
        &mut self,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        rules: Rules,
        now: Instant,
    ) -> Result<(), Refusal> {
        if let Some(key) = self.by_identity.get(&request.uri().identity()).copied() {
            return self.join(key, id, request, caller, now);
        }
        if is_focus(request) {
            return Err(Refusal::nested());
        }
        unsupported(request, EXTENSIONS)?;
        let permissions = rules.permissions(&caller.identities_with_own(), self.clock.unix(now));
        check_entry(permissions, permissions.initiate, caller)?;
        let others = rules
            .members
            .iter()
            .filter(|member| member.identity != caller.identity)
            .count();
        let mut addresses = Vec::new();
        if rules.kind == ConferenceKind::Prearranged {
            if others.saturating_add(1) > rules.max_participants {
                return Err(Refusal::too_many());
            }
            self.check_members(&rules.members)?;
            addresses = rules
                .members
                .iter()
                .map(|member| member.identity.clone())
                .collect();
        }
        let creation = Creation {
            id,
            request: request.clone(),
            caller: caller.clone(),
            group: Some(request.uri().without_parameters()),
            rules,
            recipients: None,
        };
        if addresses.is_empty() {
            self.create(creation, now);
        } else {
            self.find_groups(addresses, Step::Create(Box::new(creation)), now);
        }
        Ok(())
    }

    /// All checks are done: the conference begins with the one who asked for it, and the others are invited.
    pub(super) fn create(&mut self, creation: Creation, now: Instant) {
        let Creation {
            id,
            request,
            caller,
            group,
            rules,
            recipients,
        } = creation;
        let running = group
            .as_ref()
            .and_then(|uri| self.by_identity.get(&uri.identity()).copied());
        if let Some(key) = running {
            // Somebody else was faster.
            if let Err(refusal) = self.join(key, id, &request, &caller, now) {
                self.refuse(id, &request, Some(&caller.identity), refusal);
            }
            return;
        }
        let full = self.shutting_down || self.conferences.len() >= self.config.limits.max_conferences;
        let uri = group.or_else(|| self.mint_conference());
        let (false, Some(uri)) = (full, uri) else {
            return self.refuse(id, &request, Some(&caller.identity), Refusal::overloaded());
        };
        let invite = rules.kind != ConferenceKind::Chat;
        let members = if invite { rules.members.clone() } else { Vec::new() };
        let subject = request.headers().get::<Subject>().ok().flatten();
        let key = self.begin_conference(uri, rules, subject, &caller.identity);
        if let Err(refusal) = self.admit(key, id, &request, &caller, now) {
            self.end_conference(key, now);
            return self.refuse(id, &request, Some(&caller.identity), refusal);
        }
        let referred_by = (!caller.anonymous).then_some(caller.uri);
        for member in members.iter().filter(|member| member.identity != caller.identity) {
            let recipients = recipients.as_ref().filter(|recipients| recipients.has_visible());
            let history = recipients
                .zip(member.entry)
                .map(|(recipients, entry)| recipients.history_for(entry));
            self.dial(
                key,
                member,
                &Invitation {
                    referred_by: referred_by.clone(),
                    history,
                },
                now,
            );
        }
        self.changed(key, now);
    }

    /// A request to a conference from outside its dialogs.
    fn conference_request(
        &mut self,
        key: ConferenceKey,
        id: IncomingId,
        request: &Request,
        caller: &Caller,
        now: Instant,
    ) {
        let of_group = self
            .conferences
            .get(&key)
            .filter(|conference| conference.rules.kind != ConferenceKind::AdHoc);
        let methods = if of_group.is_some() {
            GROUP_METHODS
        } else {
            FOCUS_METHODS
        };
        let rules = of_group.map(|conference| conference.rules.clone());
        let result = match (request.method(), rules) {
            (Method::Invite, _) => self.join(key, id, request, caller, now),
            (Method::Message, Some(rules)) => self.group_message(id, request, caller, &rules, now),
            (Method::Refer, _) => return self.refer(key, id, request, caller, now),
            (Method::Subscribe, _) => self.subscribe(key, id, request, caller, now),
            (Method::Options, _) => {
                let uri = self
                    .conferences
                    .get(&key)
                    .map(|conference| conference.uri.clone());
                self.options(id, request, methods, EXTENSIONS, uri.as_ref());
                Ok(())
            }
            (method, _) => Err(refused_method(method, methods)),
        };
        if let Err(refusal) = result {
            self.refuse(id, request, Some(&caller.identity), refusal);
        }
    }

    /// A request to an address that this function does not know: it may be a group that a document defines.
    fn unknown_request(&mut self, id: IncomingId, request: Request, caller: Caller, now: Instant) {
        let group = request.uri().identity();
        let asks = matches!(
            request.method(),
            Method::Invite | Method::Message | Method::Options
        );
        if !asks || self.is_minted(request.uri()) {
            return self.refuse(id, &request, Some(&caller.identity), StatusCode::NOT_FOUND.into());
        }
        self.find_groups(
            vec![group.clone()],
            Step::FindGroup(Box::new(Addressed {
                id,
                request,
                caller,
                group,
            })),
            now,
        );
    }

    /// Says what the function can do here.
    pub(super) fn options(
        &mut self,
        id: IncomingId,
        request: &Request,
        methods: &[Method],
        extensions: &[&str],
        focus: Option<&Uri>,
    ) {
        let mut builder = describe(self.reply(request, StatusCode::OK), methods, extensions);
        //= https://www.rfc-editor.org/rfc/rfc4579#section-4.3
        //# A focus
        //# MUST include the 'isfocus' feature parameter in a 200 OK response to
        //# an OPTIONS unless the focus wishes to hide the fact that it is a
        //# focus.
        if let Some(uri) = focus {
            builder = builder.contact(&focus_contact(uri));
        }
        self.send_reply(id, builder);
    }
}

/// A method that is known but has no place here, or one that is not known at all.
pub(super) fn refused_method(method: &Method, allowed: &'static [Method]) -> Refusal {
    match method {
        Method::Other(_) => StatusCode::NOT_IMPLEMENTED.into(),
        _ => Refusal::method(allowed),
    }
}

impl Caller {
    /// Every identity that counts as his.
    pub(super) fn identities_with_own(&self) -> Vec<Identity> {
        let mut all = self.identities.clone();
        if !all.contains(&self.identity) {
            all.push(self.identity.clone());
        }
        all
    }
}
