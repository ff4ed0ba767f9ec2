//! Values that are one of a few words.

/// Makes an enum of the words that an element or attribute may hold.
macro_rules! tokens {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $variant,)* }

        impl $name {
            /// Returns the value as written in documents.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads a value as written in documents.
            pub fn from_value(value: &str) -> Option<Self> {
                match value.trim_matches($crate::xml::is_space) {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use tokens;
