//! Has the gateway built again whenever the shop in `storefront/dist` was.

use std::{fs, path::Path};

/// What `npm run build` makes, as seen from here; `src/storefront/embedded.rs` takes it in.
const BUILT_SHOP: &str = "../storefront/dist";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let built = Path::new(BUILT_SHOP);
    // Cargo takes a folder that is not there for one that always changed, and would compile the
    // gateway at every call. An empty one is a shop that was not built yet. Where the sources cannot
    // be written to, or come without the shop, nothing is lost but time.
    if built.parent().is_some_and(Path::is_dir) {
        let _ = fs::create_dir_all(built);
    }
    println!("cargo::rerun-if-changed={BUILT_SHOP}");
}
