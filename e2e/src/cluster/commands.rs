//! `kubectl` and `helm` against the cluster, as a user types them.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

use super::ControlPlane;

impl ControlPlane {
    /// Runs `kubectl` as the administrator.
    pub async fn kubectl(&self, arguments: &[&str]) -> Output {
        self.run("kubectl", arguments, "").await
    }

    /// Runs `kubectl` with `input` as its standard input, for `apply -f -` and the like.
    pub async fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.run("kubectl", arguments, input).await
    }

    /// Runs a generation of `helm` as the administrator.
    pub async fn helm(&self, helm: Helm, arguments: &[&str]) -> Output {
        self.run(helm.program(), arguments, "").await
    }

    async fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(tools().await.join(program));
        let files = self.files.path();
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", files.join("kubectl"))
            .env("HELM_CACHE_HOME", files.join("helm/cache"))
            .env("HELM_CONFIG_HOME", files.join("helm/config"))
            .env("HELM_DATA_HOME", files.join("helm/data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feed = async move {
            // A program that refuses its arguments ends before it reads.
            let _ = stdin.write_all(input.as_bytes()).await;
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        output.unwrap()
    }
}

/// A generation of Helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// Merges a release's change into what is there, so others' changes of the same fields are lost.
    Three,
    /// Applies on the server: a field that another manager set to something else is a conflict.
    Four,
}

impl Helm {
    /// Both, for tests of what has to hold with either.
    pub const BOTH: [Self; 2] = [Self::Three, Self::Four];

    fn program(self) -> &'static str {
        match self {
            Self::Three => "helm-3",
            Self::Four => "helm",
        }
    }
}

/// What a command told, whichever way: standard output, then standard error.
pub fn told(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The directory with `kubectl`, `helm` (4) and `helm-3`, for child processes; fetched by the first that asks.
pub async fn tools() -> &'static Path {
    static TOOLS: OnceCell<PathBuf> = OnceCell::const_new();
    TOOLS
        .get_or_init(|| async { directory_from("tools").await })
        .await
}

/// The directory that a script makes and prints. What it says meanwhile is for the reader of the
/// test's output.
pub(super) async fn directory_from(script: &str) -> PathBuf {
    let output = Command::new(scripts().join(script))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "e2e/kubernetes/{script} failed; see above"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

/// Where the scripts are.
pub(super) fn scripts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes"))
}
