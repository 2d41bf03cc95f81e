"""The mutants can still be made: their patches fit the code as it is, and the copy is whole."""

import pytest

import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_its_patches_fit(mutant):
    for file, old, _new in mutant.patches:
        text = (mutants.REPOSITORY / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has it {text.count(old)} times:\n{old}"


def test_the_copy_has_every_program():
    programs = {path.parent.name for path in mutants.REPOSITORY.glob("*/main.c")}
    assert programs and programs <= set(mutants.TREE), programs - set(mutants.TREE)
