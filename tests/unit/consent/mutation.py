"""`decide` with one place of its source changed, beside the real one: nothing that was imported is touched.

A mutant is made of the sources of every module that `decide` stands on, one of them edited. `Statement`,
`Question` and the policy's structs stay the real ones, so that rows and worlds can be asked of a mutant.
"""

import builtins
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, Final

import assent.consent
from tests.unit.consent.rows import Decide

MODULES: Final = ("duties", "history", "effect", "case", "denial", "given", "bases", "decide")
"""In an order in which each finds those it imports; `given` is asked for by `bases`."""

_PACKAGE: Final = "assent.consent"
_FOLDER: Final = Path(assent.consent.__file__).parent

Edit = Callable[[str], str]


def mutant(module: str, edit: Edit) -> Decide:
    """Return `decide` with the source of one module edited. AssertionError when the edit changes nothing."""
    made: dict[str, ModuleType] = {}
    package = SimpleNamespace()
    for name in MODULES:
        code = _edited(name, edit) if name == module else _plain(name)
        made[f"{_PACKAGE}.{name}"] = found = ModuleType(f"{_PACKAGE}.{name}")
        found.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(made, package)}
        exec(code, found.__dict__)
        setattr(package, name, found)
    decide: Decide = made[f"{_PACKAGE}.decide"].__dict__["decide"]
    return decide


def replaced(old: str, new: str) -> Edit:
    """Return an edit of one place, which must stand in the source exactly once."""

    def edit(source: str) -> str:
        assert source.count(old) == 1, f"stands {source.count(old)} times: {old}"
        return source.replace(old, new)

    return edit


def without(step: int) -> Edit:
    """Return the edit that takes a step out, found by its number."""
    return _at_step(step, called=r"None  # (\g<number>)", listed="", tested=r"if False:\g<rest>")


def inverted(step: int) -> Edit:
    """Return the edit that makes a step answer the other way round, found by its number."""
    return _at_step(
        step,
        called=r"_turned(\g<call>)  # (\g<number>)",
        listed=r"\g<lead>lambda case, give: not \g<duty>(case, give)),\n",
        tested=r"if not (\g<test>):\g<rest>",
    )


_TURNED: Final = """

def _turned(answer):
    return None if answer is None else type(answer)(
        allowed=not answer.allowed, reason=answer.reason, step=answer.step, article=answer.article
    )
"""


def _at_step(step: int, *, called: str, listed: str, tested: str) -> Edit:
    """Return an edit of a step as it is written: a call, a duty in a table, or a test that returns."""
    call = rf"(?P<call>[a-z_.]+\(case\)|\([a-z_]+\(case\) if [^#\n]+\))  # \((?P<number>{step})\)"
    duty = rf'(?P<lead>    \({step}, Reason\.[A-Z_]+, "[^"]+", )(?P<duty>\w+)\),\n'
    test = rf"if (?P<test>[^\n]+):(?P<rest>\n +return no\([^\n]+  # \({step}\))"

    def edit(source: str) -> str:
        for pattern, new in ((call, called), (duty, listed), (test, tested)):
            made, count = re.subn(pattern, new, source)
            if count:
                assert count == 1, f"step {step} is tagged {count} times"
                return made + _TURNED
        message = f"no step {step}"
        raise AssertionError(message)

    return edit


@cache
def source(module: str) -> str:
    """Return the source of a module that `decide` stands on."""
    return (_FOLDER / f"{module}.py").read_text(encoding="utf-8")


@cache
def _plain(module: str) -> CodeType:
    return compile(source(module), f"{module}.py", "exec")


def _edited(module: str, edit: Edit) -> CodeType:
    changed = edit(source(module))
    assert changed != source(module)
    return compile(changed, f"{module} (mutant)", "exec")


def _importer(made: Mapping[str, ModuleType], package: SimpleNamespace) -> Callable[..., Any]:
    """Return an import that finds the mutant's own modules first."""

    def find(name: str, *rest: Any) -> Any:  # noqa: ANN401 - whatever is imported
        if name == _PACKAGE:
            return package
        return made[name] if name in made else builtins.__import__(name, *rest)

    return find
