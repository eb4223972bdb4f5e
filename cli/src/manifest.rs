//! Manifest files: read, checked, and every mistake told at once with its place, its path and
//! what to write instead.
//!
//! A file is checked in three steps, and a mistake in one does not hide those of the next: YAML
//! (`yaml`), structure against the JSON schema of the manifest (`structure`), meaning
//! ([`flashsale_domain::sale::validation`]).

mod document;
mod path;
mod repair;
mod schema;
mod structure;
mod wording;
mod yaml;

use std::{fmt, fs, io, path::Path as FilePath, path::PathBuf};

use flashsale_domain::sale::{Product, Sale};

pub use schema::{json_schema, pretty as schema_text};

use self::yaml::{Place, SyntaxError, Tree};

/// The file name that stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Something in a file that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: String,
    /// Line and column, both from 1, as far as they are known.
    pub place: Option<Place>,
    /// Where in the object, e.g. `spec.products[1].price`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    /// `FILE:LINE:COLUMN: PATH: MESSAGE`, the form that editors jump to.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file)?;
        if let Some(place) = self.place {
            write!(formatter, "{}:{}:", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(formatter, " {}:", self.path)?;
        }
        write!(formatter, " {}", self.message)
    }
}

/// A sale that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The file it stands in.
    pub file: String,
    /// Where it stands there.
    pub place: Place,
    /// The sale.
    pub sale: Sale,
}

/// What some files hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The sales, in the order of the files.
    pub declared: Vec<Declared>,
    /// Every mistake, in the order of the files and the lines.
    pub problems: Vec<Problem>,
}

/// A file that could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("could not read `{}`; check the path and its permissions", path.display())]
pub struct ManifestError {
    /// The file.
    path: PathBuf,
    /// What the system said.
    #[source]
    source: io::Error,
}

/// Reads and checks files; `-` is standard input. What is wrong *in* a file is no error of this
/// function but stands in [`Reading::problems`].
pub fn read_files(paths: &[PathBuf]) -> Result<Reading, ManifestError> {
    let mut reading = Reading::default();
    for path in paths {
        let text = read_file(path).map_err(|source| ManifestError {
            path: path.clone(),
            source,
        })?;
        let read = check_text(&path.display().to_string(), &text);
        reading.declared.extend(read.declared);
        reading.problems.extend(read.problems);
    }
    let clashes = clashes(&reading.declared);
    reading.problems.extend(clashes);
    Ok(reading)
}

/// Reads one file; `-` is standard input.
pub fn read_file(path: &FilePath) -> io::Result<Vec<u8>> {
    if path.as_os_str() == STANDARD_INPUT {
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut text)?;
        return Ok(text);
    }
    fs::read(path)
}

/// Checks the text of one file, which may hold several documents.
pub fn check_text(file: &str, text: &[u8]) -> Reading {
    let documents = yaml::documents(text);
    if documents.is_empty() {
        return Reading {
            declared: Vec::new(),
            problems: vec![Problem {
                file: file.to_owned(),
                place: None,
                path: String::new(),
                message: "holds no object; write a FlashSale, see examples/sneaker-drop.yaml"
                    .to_owned(),
            }],
        };
    }
    let mut reading = Reading::default();
    for document in documents {
        match check_document(file, document) {
            Ok(declared) => reading.declared.push(declared),
            Err(problems) => reading.problems.extend(problems),
        }
    }
    reading
}

fn check_document(
    file: &str,
    document: Result<Tree, SyntaxError>,
) -> Result<Declared, Vec<Problem>> {
    let problem = |place, path, message| Problem {
        file: file.to_owned(),
        place,
        path,
        message,
    };
    let tree =
        document.map_err(|error| vec![problem(error.place, String::new(), error.message)])?;
    match document::check(&tree) {
        Ok(sale) => Ok(Declared {
            file: file.to_owned(),
            place: tree.place,
            sale,
        }),
        Err(mistakes) => Err(mistakes
            .into_iter()
            .map(|found| problem(found.place, found.path.to_string(), found.message))
            .collect()),
    }
}

/// What is wrong between sales that are each right: a name or a product that two of them claim.
fn clashes(declared: &[Declared]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, later) in declared.iter().enumerate() {
        for earlier in &declared[..index] {
            problems.extend(clash(earlier, later));
        }
    }
    problems
}

fn clash(earlier: &Declared, later: &Declared) -> Vec<Problem> {
    let there = format!("{}:{}", earlier.file, earlier.place.line);
    let problem = |path: String, message: String| Problem {
        file: later.file.clone(),
        place: Some(later.place),
        path,
        message,
    };
    let name = later.sale.id.as_str();
    if earlier.sale.id == later.sale.id {
        let message =
            format!("{name:?} names the sale at {there} too; give each sale its own name");
        return vec![problem("metadata.name".to_owned(), message)];
    }
    let taken = |product: &Product| earlier.sale.products.iter().any(|p| p.id == product.id);
    let products = later.sale.products.iter().enumerate();
    products
        .filter(|(_, product)| taken(product))
        .map(|(index, product)| {
            let message = format!(
                "{:?} is offered by the sale at {there} too; a product is in one sale at a time, \
                 so take it out of one of them",
                product.id.as_str()
            );
            problem(format!("spec.products[{index}].id"), message)
        })
        .collect()
}
