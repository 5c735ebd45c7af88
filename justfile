# Everything here works without `just` too: each recipe is one or two commands of cargo or of a script of this repository.

# Arguments reach a command as `"$@"`, so that what was quoted stays in one piece: `--set 'dataset={source: folders, root: X}'`.
set positional-arguments

facevault := "cargo run --release --locked --"

# List the recipes
default:
    @just --list

# Run an experiment: fetch, embed, evaluate, report (resumes what was interrupted)
experiment config *options:
    {{facevault}} experiment "$@"

# Run the offline demo
demo:
    {{facevault}} experiment configs/demo.yaml

# Show what a config would download and compute
check config *options:
    {{facevault}} check "$@"

# Download a config's weights and data
fetch config *options:
    {{facevault}} fetch "$@"

# Compare two or more runs
compare +runs:
    {{facevault}} compare "$@"

# Show what each choice of a config costs
ablate config *options:
    {{facevault}} ablate "$@"

# Run the published benchmarks and rewrite the table of docs/benchmarks.md (first run needs the Hub and GitHub; what cannot run says so)
reproduce *options:
    {{facevault}} reproduce --into docs/benchmarks.md configs/demo.yaml configs/lfw-facenet-tf.yaml \
        configs/lfw-facenet-pytorch.yaml configs/lfw-casia.yaml configs/lfw-casia-one-view.yaml configs/vggface2-test.yaml configs/cfp-fp.yaml \
        configs/agedb-30.yaml configs/calfw.yaml configs/cplfw.yaml configs/baselines.yaml "$@"

# Measure LFW on this machine and rewrite the README's table; data/ holds lfw-deepfunneled.tar, pairs.txt and the weights
reproduce-lfw weights="data/facenet_20180408_102900_casia.safetensors" *options:
    [ $# -eq 0 ] || shift; \
    {{facevault}} reproduce --into README.md configs/lfw-casia.yaml configs/lfw-casia-one-view.yaml \
        --set 'dataset={source: archive, path: data/lfw-deepfunneled.tar, pairs: pairs.txt}' \
        --set {{quote("weights={source: file, path: " + weights + "}")}} "$@"

# Measure the speed of a config's network, beside its accuracy
throughput config *options:
    {{facevault}} throughput "$@"

# List all runs
runs:
    {{facevault}} runs

# Recompute every digest of a run
verify run:
    {{facevault}} verify "$@"

# Run all tests, without network or GPU
test:
    cargo test --locked

# Retrain the demo's miniature network (CPU, under an hour) and write assets/demo.safetensors
train-demo *options:
    cargo run --release --locked --example train_demo -- --out assets/demo.safetensors "$@"

# Regenerate what is made from the sources: schemas, key tables, docs/files.md, docs/unsafe.md, docs/faults.md
schema:
    UPDATE_SCHEMA=1 cargo test --locked --lib schema

# Run what CI runs
ci:
    bash .ci/run

# List every package that the binary links in sbom.json (CycloneDX)
sbom:
    scripts/sbom

# Build the Python package for this and other machines (manylinux2014) in target/wheels
package profile="release":
    scripts/wheel target/wheels "$@"

# Build the Python package, check it, and run its tests (needs Python and a package index)
wheel profile="release":
    .ci/wheel "$@"

# Put the release binary into an OCI image, a folder, without a daemon (needs GNU tar and zstd)
oci folder="facevault-oci":
    cargo build --release --locked
    scripts/oci target/release/facevault "$@"

# Check licences, sources, duplicates and advisories of all dependencies
deny:
    .ci/deny

# Fuzz every target in turn for an hour (needs nightly and cargo-fuzz)
fuzz *options:
    fuzz/run "$@"

# Run the tests of `unsafe` code under Miri and AddressSanitizer (needs nightly)
sanitizers *options:
    .ci/sanitizers "$@"
