//! Where something stands in an object: `spec.products[1].price`.

use std::fmt;

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Into a field of a mapping.
    Key(String),
    /// Into an item of a list, counted from 0.
    Index(usize),
}

/// The steps from the top of a document to a value; none for the document itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Segment>);

impl Path {
    /// The path of these steps.
    pub(super) fn new(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    /// Reads what [`fmt::Display`] writes, which is also how
    /// [`flashsale_domain::sale::validation`] writes its paths.
    pub(super) fn parse(text: &str) -> Self {
        let parts = text.split(['.', '[']).filter(|part| !part.is_empty());
        Self(
            parts
                .map(|part| {
                    part.strip_suffix(']')
                        .and_then(|index| index.parse().ok())
                        .map_or_else(|| Segment::Key(part.to_owned()), Segment::Index)
                })
                .collect(),
        )
    }

    /// Its steps.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The path of the field `key` of what is here.
    pub(super) fn field(&self, key: &str) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Key(key.to_owned()));
        Self(segments)
    }

    /// The path of what holds this; none for the document itself.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, holder) = self.0.split_last()?;
        Some(Self(holder.to_vec()))
    }

    /// Whether `other` is this or lies in it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(formatter, "[{index}]")?,
                Segment::Key(key) if position == 0 => formatter.write_str(key)?,
                Segment::Key(key) => write!(formatter, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        for text in ["spec.products[1].price", "kind", "", "spec.products[12]"] {
            assert_eq!(Path::parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_path_holds_what_lies_in_it() {
        let products = Path::parse("spec.products");
        assert!(products.holds(&Path::parse("spec.products[0].id")));
        assert!(products.holds(&products));
        assert!(!products.holds(&Path::parse("spec.productsX")));
    }
}
