"""The GitHub Action of the gate with the wheel: what `tests/facevault/gate.rs` cannot try without one."""

import os
import subprocess
from pathlib import Path

import pytest

import facevault_bench as fv

GATE = Path(__file__).parent.parent / "gate"


def test_the_action_installs_the_wheel_and_later_steps_have_the_command(demo, tmp_path):
    wheel = os.environ.get("FACEVAULT_WHEEL")
    if not wheel:
        pytest.skip("$FACEVAULT_WHEEL names no wheel; .ci/wheel builds one")
    written = {name: tmp_path / name.lower() for name in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_PATH"]}
    inputs = {"BASELINE": "demo", "CANDIDATE": "nowhere", "EXPERIMENTS": "experiments", "REPORTS": "reports", "WHEEL": wheel}
    environment = {**os.environ, **inputs, **written, "RUNNER_TEMP": tmp_path / "a runner"}
    ended = subprocess.run([GATE], cwd=demo, env=environment, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "no run `nowhere`" in written["GITHUB_STEP_SUMMARY"].read_text()
    facevault = Path(written["GITHUB_PATH"].read_text().rstrip("\n")) / "facevault"
    version = subprocess.run([facevault, "--version"], capture_output=True, text=True)
    assert version.stdout == f"facevault {fv.__version__}\n"
