"""How many cores there are to use, and what a file may cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from samplemind.workers.limits import WorkerLimits, _quota


def groups(tmp_path: Path, own: str, limits: dict[str, str]) -> float | None:
    """The quota that control groups with these files set."""
    root = tmp_path / "cgroup"
    root.mkdir()
    for name, text in limits.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "own").write_text(own)
    return _quota(root, tmp_path / "own")


@pytest.mark.parametrize(
    ("own", "limits", "cores"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n", "a/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/a\n", {"a/cpu.max": "max 100000\n", "cpu.max": "50000 100000\n"}, 0.5),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3.0),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 1.0),
        ("9:memory:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
    ],
)
def test_cores_within_the_control_groups_quota(
    tmp_path: Path, own: str, limits: dict[str, str], cores: float | None
) -> None:
    assert groups(tmp_path, own, limits) == cores


def test_larger_files_may_cost_more() -> None:
    limits = WorkerLimits(cpu_s=10, cpu_s_per_mb=2, wall_s=20, wall_s_per_mb=3)
    assert limits.cpu_for(0) == 10
    assert limits.cpu_for(5_000_000) == 20
    assert limits.wall_for(5_000_000) == 35
