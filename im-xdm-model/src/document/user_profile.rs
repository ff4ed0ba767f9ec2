//! User profiles: what a user tells others of himself, and what a new user is described by at first.

use bytes::Bytes;

use super::resource_lists::DisplayName;
use super::tokens::tokens;
use super::{content_of, elements_only, once, other_attributes, required};
use crate::error::{DocumentError, DocumentErrorKind};
use crate::xml::{Element, Extensions, Limits, TreeNode};

/// The namespace of user profiles.
pub const NAMESPACE: &str = "urn:oma:xml:xdm:user-profile";

/// The profile of a user.
///
/// # Examples
///
/// ```
/// use im_xdm_model::document::UserProfile;
/// use im_xdm_model::xml::Limits;
///
/// let profile = UserProfile::of_new_user("sip:alice@example.com", Some("Alice"));
/// assert_eq!(UserProfile::parse(&profile.write(), &Limits::default())?, profile);
/// # Ok::<(), im_xdm_model::DocumentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct UserProfile {
    /// Whose profile it is.
    pub uri: String,
    /// The addresses under which the user can be reached.
    pub addresses: Option<Values>,
    /// What a person is shown.
    pub display_name: Option<DisplayName>,
    /// The day of birth (`xs:date`).
    pub birth_date: Option<String>,
    /// The parts of the name.
    pub name: Option<Details>,
    /// The parts of the postal address.
    pub address: Option<Details>,
    /// The gender.
    pub gender: Option<Gender>,
    /// What the user says of himself.
    pub free_text: Option<DisplayName>,
    /// The kinds of communication that the user has.
    pub communication_types: Option<Values>,
    /// The hobbies.
    pub hobbies: Option<Values>,
    /// The links that the user likes.
    pub links: Option<Values>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// Texts of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Values {
    /// The texts.
    pub values: Vec<DisplayName>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

/// The parts of a name or of an address: the names of the elements and their texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Details {
    /// The parts that are there, in the order in which documents have them.
    pub parts: Vec<(Detail, String)>,
    /// What other namespaces add.
    pub extensions: Extensions,
}

tokens! {
    /// A part of a name or of an address.
    #[derive(PartialOrd, Ord)]
    Detail {
        /// The given name.
        GivenName = "given-name",
        /// The family name.
        FamilyName = "family-name",
        /// The name between them.
        MiddleName = "middle-name",
        /// What stands behind the name.
        NameSuffix = "name-suffix",
        /// What stands before the name.
        NamePrefix = "name-prefix",
        /// The country.
        Country = "country",
        /// A part of the country.
        Region = "region",
        /// The town.
        Locality = "locality",
        /// A part of the town.
        Area = "area",
        /// The street.
        StreetName = "street-name",
        /// The number in the street.
        StreetNumber = "street-number",
        /// The postal code.
        PostalCode = "postal-code",
    }
}

tokens! {
    /// A gender, as the schema has it.
    Gender {
        /// Male.
        Male = "male",
        /// Female.
        Female = "female",
    }
}

impl Detail {
    const fn is_of_name(self) -> bool {
        matches!(
            self,
            Self::GivenName | Self::FamilyName | Self::MiddleName | Self::NameSuffix | Self::NamePrefix
        )
    }
}

impl Details {
    /// Returns a part.
    pub fn get(&self, part: Detail) -> Option<&str> {
        self.parts
            .iter()
            .find(|(known, _)| *known == part)
            .map(|(_, text)| text.as_str())
    }

    /// Says what a part is.
    pub fn set(&mut self, part: Detail, text: impl Into<String>) {
        self.parts.retain(|(known, _)| *known != part);
        self.parts.push((part, text.into()));
        self.parts.sort_by_key(|(known, _)| *known);
    }

    fn from_node(element: TreeNode<'_>, place: &'static str, of_name: bool) -> Result<Self, DocumentError> {
        elements_only(element, place)?;
        let mut read = Self::default();
        read.extensions.attributes = other_attributes(element, place, |_| false)?;
        for child in element.elements() {
            let known = Detail::from_value(child.name().local()).filter(|part| part.is_of_name() == of_name);
            match known {
                _ if !child.name().is_in(NAMESPACE) => read.extensions.elements.push(foreign(child, place)?),
                Some(part) if read.get(part).is_none() => read.set(part, child.text()),
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement(place),
                    ));
                }
            }
        }
        Ok(read)
    }

    fn to_element(&self, name: &'static str, of_name: bool) -> Element {
        let mut element = Element::known(NAMESPACE, name);
        element.extend_attributes(&self.extensions);
        for (part, text) in self.parts.iter().filter(|(part, _)| part.is_of_name() == of_name) {
            element.push_leaf(NAMESPACE, part.as_str(), text);
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl Values {
    /// Makes texts without a language.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        Self {
            values: values.into_iter().map(DisplayName::new).collect(),
            extensions: Extensions::default(),
        }
    }

    fn from_node(
        element: TreeNode<'_>,
        place: &'static str,
        item: &'static str,
    ) -> Result<Self, DocumentError> {
        elements_only(element, place)?;
        let mut read = Self::default();
        read.extensions.attributes = other_attributes(element, place, |_| false)?;
        for child in element.elements() {
            if child.is(NAMESPACE, item) {
                read.values.push(DisplayName::from_element(child));
            } else {
                read.extensions.elements.push(foreign(child, place)?);
            }
        }
        Ok(read)
    }

    fn to_element(&self, name: &'static str, item: &'static str) -> Element {
        let mut element = Element::known(NAMESPACE, name);
        element.extend_attributes(&self.extensions);
        for value in &self.values {
            element.push(value.to_named(NAMESPACE, item));
        }
        element.extend_elements(&self.extensions);
        element
    }
}

impl UserProfile {
    /// Makes an empty profile.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            ..Self::default()
        }
    }

    /// Makes the profile that a user has until he changes it: the address, and a name if one is known.
    pub fn of_new_user(uri: &str, display_name: Option<&str>) -> Self {
        //= R-5.3.2-01
        Self {
            addresses: Some(Values::of([uri.to_owned()])),
            display_name: display_name.map(DisplayName::new),
            ..Self::new(uri)
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// Fails when the text is not well-formed, or not a user profile.
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, DocumentError> {
        super::read(input, limits, Self::from_node)
    }

    fn from_node(root: TreeNode<'_>) -> Result<Self, DocumentError> {
        super::expect(root, NAMESPACE, "user-profiles")?;
        elements_only(root, "user-profiles")?;
        let mut profiles = root.elements();
        let missing = || DocumentError::at(root, DocumentErrorKind::MissingElement("user-profile"));
        let profile = profiles.next().ok_or_else(missing)?;
        if let Some(wrong) = profiles
            .next()
            .or(Some(profile).filter(|p| !p.is(NAMESPACE, "user-profile")))
        {
            return Err(DocumentError::at(
                wrong,
                DocumentErrorKind::UnexpectedElement("user-profiles"),
            ));
        }
        Self::profile(profile)
    }

    fn profile(element: TreeNode<'_>) -> Result<Self, DocumentError> {
        elements_only(element, "user-profile")?;
        let mut read = Self::new(required(element, "uri")?);
        read.extensions.attributes = other_attributes(element, "user-profile", |name| name.is("", "uri"))?;
        for child in element.elements() {
            if !child.name().is_in(NAMESPACE) {
                read.extensions.elements.push(foreign(child, "user-profile")?);
                continue;
            }
            let text = || DisplayName::from_element(child);
            let values = |name, item| Values::from_node(child, name, item);
            match child.name().local() {
                "communication-addresses" => {
                    let name = "communication-addresses";
                    once(&mut read.addresses, values(name, "comm-addr")?, child, name)?;
                }
                "display-name" => once(&mut read.display_name, text(), child, "display-name")?,
                "birth-date" => {
                    let day = content_of(child, "birth-date", day)?;
                    once(&mut read.birth_date, day, child, "birth-date")?;
                }
                "name" => once(
                    &mut read.name,
                    Details::from_node(child, "name", true)?,
                    child,
                    "name",
                )?,
                "address" => {
                    let address = Details::from_node(child, "address", false)?;
                    once(&mut read.address, address, child, "address")?;
                }
                "gender" => {
                    let gender = content_of(child, "gender", Gender::from_value)?;
                    once(&mut read.gender, gender, child, "gender")?;
                }
                "freetext" => once(&mut read.free_text, text(), child, "freetext")?,
                "communication-types" => {
                    let types = values("communication-types", "comm-type")?;
                    once(&mut read.communication_types, types, child, "communication-types")?;
                }
                "hobbies" => once(&mut read.hobbies, values("hobbies", "hobby")?, child, "hobbies")?,
                "favourite-links" => {
                    once(
                        &mut read.links,
                        values("favourite-links", "link")?,
                        child,
                        "favourite-links",
                    )?;
                }
                _ => {
                    return Err(DocumentError::at(
                        child,
                        DocumentErrorKind::UnexpectedElement("user-profile"),
                    ));
                }
            }
        }
        Ok(read)
    }

    /// Writes the document.
    pub fn write(&self) -> Bytes {
        let mut profile = Element::known(NAMESPACE, "user-profile");
        profile.set("uri", self.uri.as_str());
        profile.extend_attributes(&self.extensions);
        let mut push = |part: Option<Element>| {
            if let Some(part) = part {
                profile.push(part);
            }
        };
        let values = |values: &Option<Values>, name, item| values.as_ref().map(|v| v.to_element(name, item));
        let text = |text: &Option<DisplayName>, name| text.as_ref().map(|t| t.to_named(NAMESPACE, name));
        let leaf = |name, text: &str| {
            let mut element = Element::known(NAMESPACE, name);
            element.push_text(text);
            element
        };
        push(values(&self.addresses, "communication-addresses", "comm-addr"));
        push(text(&self.display_name, "display-name"));
        push(self.birth_date.as_deref().map(|day| leaf("birth-date", day)));
        push(self.name.as_ref().map(|name| name.to_element("name", true)));
        push(
            self.address
                .as_ref()
                .map(|address| address.to_element("address", false)),
        );
        push(self.gender.map(|gender| leaf("gender", gender.as_str())));
        push(text(&self.free_text, "freetext"));
        push(values(
            &self.communication_types,
            "communication-types",
            "comm-type",
        ));
        push(values(&self.hobbies, "hobbies", "hobby"));
        push(values(&self.links, "favourite-links", "link"));
        profile.extend_elements(&self.extensions);
        let mut root = Element::known(NAMESPACE, "user-profiles");
        root.push(profile);
        root.to_bytes()
    }
}

/// Accepts an element of another namespace.
fn foreign(element: TreeNode<'_>, place: &'static str) -> Result<Element, DocumentError> {
    match element.name().namespace() {
        Some(namespace) if namespace != NAMESPACE => Ok(element.to_element()),
        _ => Err(DocumentError::at(
            element,
            DocumentErrorKind::UnexpectedElement(place),
        )),
    }
}

/// Reads an `xs:date`, whose zone may be there or not.
fn day(text: &str) -> Option<String> {
    let text = text.trim_matches(crate::xml::is_space);
    let (date, zone) = text.split_at_checked(10)?;
    super::date(&format!("{date}T00:00:00{zone}"))?;
    Some(text.to_owned())
}
