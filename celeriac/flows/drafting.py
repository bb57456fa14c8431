"""The draft of a member: its arguments but for the results of others, which are named."""

from collections.abc import Iterator, Mapping
from typing import Any

from celeriac.flows.parts import FlowPart, Result
from celeriac.jobs.enqueueing.draft import Draft
from celeriac.jobs.errors import InvalidOption
from celeriac.jobs.nodes import inputs
from celeriac.jobs.nodes.states import EdgeCondition, Form


class MemberDraft:
    """A member whose references are named once the parts have their ids."""

    __slots__ = ("draft", "given", "part")

    def __init__(self, part: FlowPart, draft: Draft, given: Mapping[str, Result]) -> None:
        self.part, self.draft, self.given = part, draft, given

    def __call__(self) -> Draft:
        """Return the draft; the id of a part of one job is the job's."""
        if self.part.is_single and self.part.id is not None:
            self.draft.id = self.part.id
        if self.given:
            named = {name: _reference(result) for name, result in self.given.items()}
            self.draft.headers = {**(self.draft.headers or {}), inputs.KEY: {"inputs": named}}
        return self.draft


def _reference(result: Result) -> dict[str, Any]:
    assert result.part.id is not None  # noqa: S101 what is before has its id
    died = getattr(result.of, "condition", None) is EdgeCondition.DIED
    return inputs.reference(result.part.id, result.path, died=died)


def require_before(part: FlowPart, given: Mapping[str, Result]) -> None:
    """Refuse results of what may not have ended by then, and of what has none."""
    before = set(map(id, _all_before(part))) if given else set()
    for name, result in given.items():
        if result.part.form is Form.FLOW:
            raise InvalidOption(f"{name}: a flow has no result; name one of its parts.")
        if id(result.part) not in before and not result.part.is_written:
            raise InvalidOption(
                f"{name} is the result of {result.part.name}, which {part.name} does not wait "
                f"for: add after={result.part.name}."
            )


def _all_before(part: FlowPart) -> Iterator[FlowPart]:
    seen: set[int] = set()
    ahead = [end.part for end in part.edges] + ([part.parent] if part.parent else [])
    while ahead:
        each = ahead.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            ahead += [end.part for end in each.edges] + ([each.parent] if each.parent else [])
