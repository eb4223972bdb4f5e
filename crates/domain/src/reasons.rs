//! The reasons of conditions.

/// Makes the enum `Reason` and its words from one table, so that none can be forgotten: its own reasons, and
/// those that it has of other enums with a method `as_str`.
#[macro_export]
macro_rules! reasons {
    (
        #[doc = $about:literal]
        pub enum Reason {
            $( #[doc = $doc:literal] $name:ident, )+
        }
        $( with {
            $( #[doc = $other_doc:literal] $other:ident($of:ty), )+
        } )?
    ) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Reason {
            $( #[doc = $doc] $name, )+
            $( $( #[doc = $other_doc] $other($of), )+ )?
        }

        impl Reason {
            /// The word in `reason` of a condition; never changes its meaning.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => stringify!($name), )+
                    $( $( Self::$other(reason) => reason.as_str(), )+ )?
                }
            }
        }

        $( $(
            impl From<$of> for Reason {
                fn from(reason: $of) -> Self {
                    Self::$other(reason)
                }
            }
        )+ )?
    };
}
