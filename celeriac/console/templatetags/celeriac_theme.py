"""The theme's parts in the console's templates: unfold's, or plain ones."""

from typing import Any

from django import template
from django.template.base import NodeList, Parser, Token, token_kwargs
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from celeriac.console.theme import HAS_UNFOLD

register = template.Library()


class PlainPart(template.Node):
    """A card or a button around what stands in it."""

    def __init__(self, name: str, values: dict[str, Any], nodelist: NodeList) -> None:
        self._name, self._values, self.nodelist = name, values, nodelist

    def render(self, context: template.Context) -> SafeString:
        """Return its HTML."""
        values = {name: value.resolve(context) for name, value in self._values.items()}
        with context.push(**values, children=self.nodelist.render(context)):
            return _rendered(context, self._name)


@register.tag
def component(parser: Parser, token: Token) -> template.Node:
    """Return unfold's component of that name, or the plain one."""
    if HAS_UNFOLD:
        from unfold.templatetags.unfold import do_component

        found: template.Node = do_component(parser, token)
        return found
    _, name, *rest = token.split_contents()
    values = token_kwargs(rest[1:], parser) if rest else {}
    nodelist = parser.parse(("endcomponent",))
    parser.delete_first_token()
    return PlainPart(
        name.strip('"').replace("unfold/components", "celeriac/plain"), values, nodelist
    )


@register.simple_tag
def plain_style() -> str:
    """Return the link to the plain admin's own styles, where there is no theme."""
    if HAS_UNFOLD:
        return ""
    return format_html('<link rel="stylesheet" href="{}">', static("celeriac/plain.css"))


@register.simple_tag(takes_context=True)
def form_field(context: template.Context, field: Any) -> SafeString:
    """Return a form's field with its label, its help and its faults."""
    with context.push(field=field):
        name = "unfold/helpers/field.html" if HAS_UNFOLD else "celeriac/plain/field.html"
        return _rendered(context, name)


@register.simple_tag(takes_context=True)
def form_faults(context: template.Context, form: Any) -> str:
    """Return what is wrong with a form as a whole."""
    errors = form.non_field_errors()
    if not HAS_UNFOLD or not errors:
        return str(errors) if errors else ""
    with context.push(errors=errors):
        return _rendered(context, "unfold/helpers/messages/error.html")


def _rendered(context: template.Context, name: str) -> SafeString:
    engine = context.template.engine  # type: ignore[union-attr]  # a page is being rendered
    return engine.get_template(name).render(context)
