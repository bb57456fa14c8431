"""What each address answers. Thin: grants, a service or a selector, a shape."""
