"""Renders an embedded micro-expression database: faces, action units, exact displacement."""
