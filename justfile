# Everything here also works without `just`: each recipe is one cargo command.

facevault := "cargo run --release --locked --"

# List the recipes
default:
    @just --list

# Run an experiment: fetch, embed, evaluate, report (resumes what was interrupted)
experiment config *options:
    {{facevault}} experiment {{config}} {{options}}

# The offline demo
demo:
    {{facevault}} experiment configs/demo.yaml

# Show what a config would download and compute
check config *options:
    {{facevault}} check {{config}} {{options}}

# Download weights and data of a config
fetch config *options:
    {{facevault}} fetch {{config}} {{options}}

# Compare two runs or more
compare +runs:
    {{facevault}} compare {{runs}}

# Say what each choice of a config costs
ablate config *options:
    {{facevault}} ablate {{config}} {{options}}

# Run the README's benchmarks and rewrite its table with what came out (needs the Hub once; what cannot be run says so)
reproduce *options:
    {{facevault}} reproduce --into README.md configs/demo.yaml configs/lfw-facenet-tf.yaml \
        configs/lfw-facenet-pytorch.yaml configs/vggface2-test.yaml configs/cfp-fp.yaml configs/agedb-30.yaml \
        configs/calfw.yaml configs/cplfw.yaml configs/baselines.yaml {{options}}

# Measure faces a second of a config's network, beside the accuracy
throughput config *options:
    {{facevault}} throughput {{config}} {{options}}

# List all runs
runs:
    {{facevault}} runs

# Recompute every digest of a run
verify run:
    {{facevault}} verify {{run}}

# All tests, without network and GPU
test:
    cargo test --locked

# Train the demo's miniature network again (CPU, under an hour) and write assets/demo.safetensors
train-demo *options:
    cargo run --release --locked --example train_demo -- --out assets/demo.safetensors {{options}}

# Regenerate configs/schema.json and the key tables of configs/README.md from the config types
schema:
    UPDATE_SCHEMA=1 cargo test --locked --lib schema

# What CI runs
ci:
    bash .ci/run
