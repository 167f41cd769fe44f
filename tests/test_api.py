import subprocess
import sys
from importlib import import_module

import pytest
from mypy import api as mypy

import effbench

SUBPACKAGES = ("detect", "evaluate", "train")


@pytest.mark.parametrize("name", effbench.__all__)
def test_every_public_name_resolves(name):
    assert getattr(effbench, name) is not None


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "numpy", "pandas", "matplotlib", "pydantic")
    code = f"import sys, effbench; sys.exit([name for name in {heavy} if name in sys.modules] or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        effbench.no_such_name  # noqa: B018


@pytest.mark.parametrize("name", [name for name in SUBPACKAGES if name in effbench.__all__])
def test_a_function_named_like_its_package_stays_a_function(name):
    import_module(f"effbench.{name}.api")
    assert callable(getattr(effbench, name))
    assert getattr(effbench, name).__module__ == f"effbench.{name}.api"


@pytest.mark.slow
def test_mypy_sees_the_type_of_every_public_name(tmp_path):
    names = [name for name in effbench.__all__ if name != "__version__"]
    code = tmp_path / "names.py"
    code.write_text("import effbench\n" + "".join(f"reveal_type(effbench.{name})\n" for name in names))
    out, err, status = mypy.run(["--strict", str(code)])
    assert status == 0, out + err
    revealed = [line.split("Revealed type is ")[1] for line in out.splitlines() if "Revealed type" in line]
    assert len(revealed) == len(names)
    assert '"Any"' not in revealed
