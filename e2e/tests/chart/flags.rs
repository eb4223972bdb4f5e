//! Every flag and variable that the chart gives to a program is one that the program takes.

use std::{path::Path, process::Command};

use flashsale_testbed::binaries;
use serde_json::Value;

use crate::{
    helm::render,
    manifests::{Manifests, Pod, strings},
    values::{INSTALLATIONS, parse},
};

/// Has the program read the container's arguments; `--help` at their end keeps it from acting.
fn check(pod: &Pod<'_>, container: &Value) {
    let name = pod.name();
    let path = container["command"][0].as_str().unwrap();
    let program = binaries::find(Path::new(path).file_name().unwrap().to_str().unwrap());
    let arguments = strings(&container["args"]);
    let output = Command::new(program.unwrap())
        .args(&arguments)
        .arg("--help")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (help, error) = (text(output.stdout), text(output.stderr));
    // Where a line of the help ends depends on what stands before.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.status.success(), "{name} {arguments:?}: {error}");
    for variable in container["env"].as_array().into_iter().flatten() {
        let variable = variable["name"].as_str().unwrap();
        assert!(
            help.contains(&format!("[env: {variable}")),
            "{name}: {variable} is not in {help}"
        );
    }
}

/// Checks every program of the project that is started.
pub(crate) fn are_taken(manifests: &Manifests) {
    for pod in manifests.pods() {
        for container in pod.containers() {
            let program = container["command"][0].as_str().unwrap_or_default();
            if program.starts_with("/flashsale") {
                check(&pod, container);
            }
        }
    }
}

#[test]
fn programs_take_what_each_way_to_install_gives_them() {
    for values in INSTALLATIONS {
        are_taken(&render(&parse(values), &[]));
    }
}
