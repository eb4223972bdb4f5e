//! YAML as a tree whose every value knows its line and column.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Error, Location, Spanned, UserMessageFormatter};

use super::path::{Path, Segment};

/// Line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// Text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Where reading stopped.
    pub(super) place: Option<Place>,
    /// What is wrong there.
    pub(super) message: String,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    /// Where it begins.
    pub(super) place: Place,
    /// The value.
    pub(super) node: Node,
}

/// A value of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Null, a truth value, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Tree>),
    /// A mapping, in the order of the file; its keys are unique.
    Mapping(Vec<(String, Tree)>),
}

impl Tree {
    /// The same without places.
    pub(super) fn to_json(&self) -> Value {
        match &self.node {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(Self::to_json).collect(),
            Node::Mapping(fields) => {
                let fields = fields
                    .iter()
                    .map(|(key, tree)| (key.clone(), tree.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Where `path` is, or the innermost value on the way to it: a field that is missing is
    /// looked for where its neighbours are.
    pub(super) fn place_of(&self, path: &Path) -> Place {
        let mut here = self;
        for segment in path.segments() {
            let next = match (&here.node, segment) {
                (Node::List(items), Segment::Index(index)) => items.get(*index),
                (Node::Mapping(fields), Segment::Key(key)) => fields
                    .iter()
                    .find(|(name, _)| name == key)
                    .map(|(_, tree)| tree),
                _ => None,
            };
            match next {
                Some(next) => here = next,
                None => break,
            }
        }
        here.place
    }
}

impl From<Spanned<Node>> for Tree {
    fn from(spanned: Spanned<Node>) -> Self {
        Self {
            place: spanned.referenced.into(),
            node: spanned.value,
        }
    }
}

/// The documents of a file that are not empty. The last one may be what stopped the parser: what
/// follows a syntax error cannot be told from it.
pub(super) fn documents(text: &[u8]) -> Vec<Result<Tree, SyntaxError>> {
    let mut reader = text;
    serde_saphyr::read::<_, Spanned<Node>>(&mut reader)
        .map(|document| document.map(Tree::from).map_err(|error| explain(&error)))
        .filter(|document| !matches!(document, Ok(tree) if tree.node == Node::Scalar(Value::Null)))
        .collect()
}

fn explain(error: &Error) -> SyntaxError {
    let error = error.without_snippet();
    let place = error.location().map(Place::from);
    let text = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("`{key}` stands here a second time; write each field once")
        }
        error => format!("is not YAML: {}", plain(error)),
    };
    SyntaxError {
        place,
        message: text,
    }
}

/// The message without the place, which stands before it already.
fn plain(error: &Error) -> String {
    let text = error.render_with_formatter(&UserMessageFormatter);
    let at_its_end = text.rfind(" at line ").filter(|at| {
        text[*at..]
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | ','))
    });
    text[..at_its_end.unwrap_or(text.len())].to_owned()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON knows too")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        // JSON has no infinity, and nothing in a manifest could mean it.
        serde_json::Number::from_f64(value)
            .map(|number| Node::Scalar(number.into()))
            .ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Node>>()? {
            items.push(item.into());
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut fields: Vec<(String, Tree)> = Vec::new();
        while let Some((key, tree)) = access.next_entry::<String, Spanned<Node>>()? {
            if fields.iter().any(|(known, _)| *known == key) {
                return Err(A::Error::custom(format!("`{key}` stands here twice")));
            }
            fields.push((key, tree.into()));
        }
        Ok(Node::Mapping(fields))
    }
}
