"""What `make canvas` tells of Celery's own tests, and where the guide says otherwise."""

from sandbox.canvas.report import Result, differences, read_guide, table_of

GUIDE = """
## Other rows

| `test_tasks.py` | `test_a` | is of another table |

## Celery's own tests

| file | test | why it does not pass |
|---|---|---|
| `test_tasks.py` | `test_tasks::test_kept` | it needs canvas |
| `test_canvas.py` | `test_chain::test_one[a-1]` | likewise |

## More
"""
RESULTS = [
    Result("test_tasks.py::test_tasks::test_good", "passed"),
    Result("test_tasks.py::test_tasks::test_kept", "failed", "no"),
    Result("test_canvas.py::test_chain::test_one[a-1]", "skipped", "not here"),
    Result("test_canvas.py::test_chain::test_two", "xfailed"),
]


def test_the_guide_names_what_does_not_pass(tmp_path):
    """In its own section alone."""
    page = tmp_path / "guide.md"
    page.write_text(GUIDE)
    assert read_guide(page) == {
        ("test_tasks.py", "test_tasks::test_kept"): "it needs canvas",
        ("test_canvas.py", "test_chain::test_one[a-1]"): "likewise",
    }


def test_a_skip_counts_as_not_passed_and_each_difference_is_told(tmp_path):
    """A test that fails unnamed, and one that is named and passes."""
    page = tmp_path / "guide.md"
    page.write_text(GUIDE)
    told = read_guide(page)
    assert differences(RESULTS, told) == []
    assert differences(RESULTS, {}) == [
        "test_tasks.py::test_tasks::test_kept failed, and the guide gives no reason.",
        "test_canvas.py::test_chain::test_one[a-1] skipped, and the guide gives no reason.",
    ]
    assert differences([Result("test_tasks.py::test_tasks::test_kept", "passed")], told) == [
        "test_tasks.py::test_tasks::test_kept passes: take it out of the guide."
    ]


def test_the_table_counts_by_file_and_names_the_others():
    """With the commit that the tests are of."""
    table = table_of(RESULTS, "abc", ["test_tasks.py", "test_canvas.py"])
    assert "t/integration of abc" in table
    assert "test_tasks.py: 2 tests: 1 failed, 1 passed" in table
    assert "test_canvas.py: 2 tests: 1 skipped, 1 xfailed" in table
    assert "| test_tasks.py::test_tasks::test_kept | failed | no |" in table
    assert "test_good" not in table
