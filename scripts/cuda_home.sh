#!/usr/bin/env bash
# Makes DIR a CUDA_HOME to build `--features cuda` or `cudnn` (candle on a GPU) with, on a Linux machine without a CUDA toolkit.
# The compiler comes from PyPI. The link libraries are small archives that open the real ones at the first call
# (cuda_lazy_stubs.py), so that the binary also starts where no CUDA is installed.
#
#   scripts/cuda_home.sh DIR && source DIR/env.sh && cargo build --release --features cudnn
#
# To run, the binary needs a driver for CUDA 13 (580 or newer) and the libraries of CUDA 13, e.g. from PyPI: cuBLAS, cuRAND, and
# cuDNN 9 for `cudnn`. List folders outside the loader's paths in FACEVAULT_CUDA_LIBS, separated by colons. Needs pip and gcc.
# Run `cargo fetch` first: the stubs are made from the cudarc sources that Cargo.lock names.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; dir=$(cd "$1" && pwd)

python3 -m pip install -q --no-deps --target "$dir/wheels" nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 \
  nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85 nvidia-cuda-runtime==13.0.96
mkdir -p "$dir/bin" "$dir/lib64"
ln -sfn "$dir/wheels/nvidia/cu13/include" "$dir/include"

# The quantised and mixture-of-experts kernels take most of the build of candle-kernels, and no face network calls them: they
# become empty objects.
cat > "$dir/bin/nvcc" <<'NVCC'
#!/usr/bin/env bash
case "${@: -1}" in */mmq_gguf/*.cu|*/mmvq_gguf.cu|*/moe/*.cu|src/mmq_gguf/*|src/mmvq_gguf.cu|src/moe/*)
  for ((i=1; i<$#; i++)); do
    [ "${!i}" = -o ] && { j=$((i+1)); exec gcc -x c -c -fPIC -o "${!j}" /dev/null; }
  done;;
esac
exec "$REAL_NVCC" "$@"
NVCC
chmod +x "$dir/bin/nvcc"

registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
python3 "$here/cuda_lazy_stubs.py" "$(ls -d "$registry"/*/cudarc-0.19.* | sort -V | tail -1)" "$dir/lib64" >/dev/null

# The driver recompiles kernels for 8.0 for the GPU it finds.
cat > "$dir/env.sh" <<ENV
export REAL_NVCC=$dir/wheels/nvidia/cu13/bin/nvcc CUDA_HOME=$dir CUDA_PATH=$dir PATH=$dir/bin:\$PATH
export CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-80} CUDARC_CUDA_VERSION=13000 CUDAFORGE_THREADS=2
ENV
echo "source $dir/env.sh"
