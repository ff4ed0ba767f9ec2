//! Who may do what with which document (RFC 4825 5.7), and which addresses a group document may claim.

use im_xdm_model::document::group::Group;
use im_xdm_model::xcap::{Access, Method, ResourceUri, Usage};
use im_xdm_model::xml;
use sip_im::{Identity, Uri};

/// The usage whose documents define groups.
pub(super) const GROUPS: &str = "org.openmobilealliance.groups";

pub(super) fn may(
    usage: &Usage,
    uri: &ResourceUri,
    user: &Identity,
    owner: Option<&Identity>,
    method: Method,
) -> bool {
    let access = if method == Method::Get {
        Access::Read
    } else {
        Access::Write
    };
    // The second covers documents that are addressed by one of the user's other addresses.
    usage.may_access(uri, user, false, access) || owner == Some(user)
}

/// Addresses that a group might have instead of one that is taken.
pub(super) fn other_addresses(address: &Identity) -> impl Iterator<Item = Identity> {
    let text = address.to_string();
    (2_u8..5).filter_map(move |number| {
        let (user, host) = text.split_once('@')?;
        let other = Uri::parse(&format!("{user}-{number}@{host}")).ok()?;
        Some(other.identity())
    })
}

/// The group that a document defines; `None` when its address is no URI.
pub(super) fn group_address(text: &[u8]) -> Option<Identity> {
    let group = Group::parse(text, &xml::Limits::default()).ok()?;
    Uri::parse(&group.uri).ok().map(|uri| uri.identity())
}
