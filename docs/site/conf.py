"""Sphinx: the reference site of libclmp.  docs/build.sh calls it.

SPDX-License-Identifier: Apache-2.0
"""
project = 'libclmp'
author = 'the libclmp authors'
copyright = 'the libclmp authors, Apache-2.0' # noqa: A001
extensions = ['myst_parser', 'sphinx_copybutton']
source_suffix = {'.rst': 'restructuredtext', '.md': 'markdown'}
exclude_patterns = ['examples/build*']

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3
myst_all_links_external = False
# docs/site/formulas.py sets them once the pages are there.
html_math_renderer = 'formula'

html_theme = 'furo'
html_title = 'libclmp'
html_static_path = ['static', '/usr/share/javascript/katex/katex.min.css'] # its fonts: formulas.py
html_css_files = ['katex.min.css', 'site.css']
html_show_sourcelink = False
html_copy_source = False
html_use_index = True
html_theme_options = {'navigation_with_keys': True}
pygments_style = 'friendly'
pygments_dark_style = 'native'
highlight_language = 'none'
copybutton_prompt_text = '$ '


def setup(app):
    def inline(self, node):
        self.body.append(self.starttag(node, 'span', '', CLASS='formula') + self.encode(node.astext()) + '</span>')
        raise nodes.SkipNode

    def display(self, node):
        self.body.append(self.starttag(node, 'div', '', CLASS='formula') + self.encode(node.astext()) + '</div>')
        raise nodes.SkipNode

    from docutils import nodes
    app.add_html_math_renderer('formula', inline_renderers=(inline, None), block_renderers=(display, None))
