"""The mutants can still be made: their patches fit the code as it is, and the copy is whole."""

import os
import subprocess

import pytest

import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_its_patches_fit(mutant):
    for file, old, _new in mutant.patches:
        text = (mutants.REPOSITORY / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has it {text.count(old)} times:\n{old}"


def test_the_copy_is_whole(tmp_path):
    """What there is to be made in it is what there is here, and no other build is in it."""
    mutants.copy_tree(tmp_path)
    made = ["make", "-s", "-n", "build"]
    here, there = (subprocess.run([*made, "BUILD=nowhere"], cwd=folder, capture_output=True,
                                  check=True, env={**os.environ, "MAKEFLAGS": ""}).stdout
                   for folder in (mutants.REPOSITORY, tmp_path))
    assert here == there and not (tmp_path / "build").exists()
