"""Markup, which all three carriers have as XML: tags, attributes and texts, escaped."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring


def response() -> Element:
    """Return the element that all others are in."""
    return Element("Response")


def add(parent: Element, tag: str, text: str = "", **attributes: str) -> Element:
    """Add an element. An attribute's name may end with an underscore, where it would be a word of Python's."""
    element = SubElement(
        parent, tag, {name.rstrip("_"): value for name, value in attributes.items() if value}
    )
    element.text = text or None
    return element


def written(root: Element) -> str:
    """Return markup as it is sent."""
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode")
