#!/usr/bin/env python3
"""Packs files into a container image of one layer, without a registry or a daemon.

The result is an archive as `ctr images import` and `docker load` take it. Everything in it belongs
to root and has no time, so equal files make equal images.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import tarfile

DIRECTORIES = {"tmp": 0o1777, "etc": 0o755, "proc": 0o755, "sys": 0o755, "dev": 0o755}

ACCOUNTS = {
    "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\n"
    b"nobody:x:65534:65534:nobody:/:/sbin/nologin\n"
    b"nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\nnonroot:x:65532:\n",
}

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def add(archive, name, content, mode=0o644):
    """Adds a file."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(content)
    archive.addfile(entry, io.BytesIO(content))


def add_directory(archive, name, known):
    """Adds a directory and those above it, unless they are there."""
    if not name or name in known:
        return
    add_directory(archive, os.path.dirname(name), known)
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, DIRECTORIES.get(name, 0o755)
    archive.addfile(entry)
    known.add(name)


def layer(files, links):
    """The file system as one tar archive."""
    buffer, known = io.BytesIO(), set()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in DIRECTORIES:
            add_directory(archive, name, known)
        for name, content in ACCOUNTS.items():
            add(archive, name, content)
        for source, target in (file.split(":", 1) for file in files):
            target = target.lstrip("/")
            add_directory(archive, os.path.dirname(target), known)
            with open(source, "rb") as file:
                add(archive, target, file.read(), 0o755 if os.access(source, os.X_OK) else 0o644)
        for name, target in (link.split(":", 1) for link in links):
            name = name.lstrip("/")
            add_directory(archive, os.path.dirname(name), known)
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def configuration(content, arguments):
    """The image's own description, as JSON."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    runtime = {"Env": [f"PATH={path}"], "WorkingDir": "/", "User": arguments.user}
    if arguments.command:
        runtime["Cmd"] = arguments.command
    digest = hashlib.sha256(content).hexdigest()
    machine = platform.machine()
    return json.dumps(
        {
            "architecture": ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": runtime,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z"}],
        }
    ).encode()


def main():
    """Reads the command line and writes the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="the archive to write")
    parser.add_argument("reference", help="the image's name, e.g. docker.io/local/flashsale:test")
    parser.add_argument("--file", action="append", default=[], metavar="SOURCE:TARGET")
    parser.add_argument("--link", action="append", default=[], metavar="NAME:TARGET")
    parser.add_argument("--user", default="", metavar="UID:GID")
    parser.add_argument("--command", nargs=argparse.REMAINDER, help="what it runs; comes last")
    arguments = parser.parse_args()
    content = layer(arguments.file, arguments.link)
    description = configuration(content, arguments)
    name = hashlib.sha256(description).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": [arguments.reference], "Layers": ["layer.tar"]}]
    with tarfile.open(arguments.output, "w") as archive:
        add(archive, name, description)
        add(archive, "layer.tar", content)
        add(archive, "manifest.json", json.dumps(manifest).encode())


main()
