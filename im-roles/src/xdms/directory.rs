//! The directory of a user: which documents he has, made when it is asked for.

use bytes::Bytes;
use im_xdm_model::xcap::{
    DIRECTORY_AUID, Directory, DirectoryEntry, ETag, Folder, ResourceUri, Tree, Usages,
};

use crate::effect::{DocumentListing, DocumentSelector};

/// The one document of the usage in a user's home.
const DOCUMENT: &str = "directory.xml";

/// Whether a document is a directory, which no store holds.
pub(super) fn is_directory(selector: &DocumentSelector) -> bool {
    selector.auid == DIRECTORY_AUID && selector.user.is_some() && selector.document == DOCUMENT
}

/// Writes a directory: a folder for each usage, with documents or without.
pub(super) fn write(root: &str, usages: &Usages, documents: &[DocumentListing]) -> Bytes {
    let known = usages
        .iter()
        .filter(|usage| usage.writable)
        .map(|usage| folder(root, &usage.auid, documents));
    Directory::of(known.collect()).write()
}

fn folder(root: &str, auid: &str, documents: &[DocumentListing]) -> Folder {
    let mut folder = Folder::new(auid);
    for listing in documents.iter().filter(|listing| listing.selector.auid == auid) {
        let Some(user) = &listing.selector.user else {
            continue;
        };
        let tree = Tree::User(user.to_string());
        let uri = ResourceUri::path_of(root, auid, &tree, &listing.selector.document);
        let mut entry = DirectoryEntry::new(uri, ETag::new(listing.etag.as_str()).to_string());
        entry.size = Some(listing.octets);
        folder.entries.push(entry);
    }
    folder
}
