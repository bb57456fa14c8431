import re

import pytest

from tests.integration.sandbox.tools import ROOT

PAGE = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["gateway", "mailsink"])
def test_the_examples_on_the_page_run(example):
    """As they stand."""
    exec(compile(example, "docs/sandbox.md", "exec"), {})  # noqa: S102 our own page
