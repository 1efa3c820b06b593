"""Makes a manual page of section 3 from public headers.

usage: from_header.py OUTPUT 'Month 1, 2026' DESCRIPTION NAME 'SEE ALSO 1' HEADER...

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import sys
import textwrap

import header
from mdoc import escape, literal, page, paragraphs, prose, see_also, tagged


def shown(blocks):
    """Parts of a comment, as blocks of lines."""
    out = []
    for kind, content in blocks:
        if kind == 'text':
            out.append(prose(content))
        elif kind == 'list':
            out.append(tagged([('Dv ' + escape(tag) if re.fullmatch(r'[A-Z_]+', tag) else 'Fn ' + escape(tag), text)
                               for tag, text in content]))
        else:
            out.append(literal(content))
    return out


def code_of(declaration):
    """Prototypes, no line of them longer than a terminal; of structs and enums the members, as a list."""
    entries = header.members(declaration.code)
    if entries is not None:
        kind = declaration.code.split()[1]
        lines = prose(f'{kind} {declaration.name}:')
        listed = tagged([(('Dv ' if kind == 'enum' else 'Va ') + escape(member), text) for member, text in entries])
        return lines + [line for line in listed if line]
    lines = []
    for line in re.sub(r'(?<=[,(])\n\s+', ' ', declaration.code).split('\n'):
        lines += textwrap.wrap(line, 74, subsequent_indent='    ', break_on_hyphens=False)
    return literal(lines)


def main():
    output, date, description, name, also, *paths = sys.argv[1:]
    body = ['.Sh SYNOPSIS']
    body += [f'.In clmp/{os.path.basename(path)}' for path in paths]
    for path in paths:
        first, sections = header.read(path)
        file = os.path.basename(path)
        body += ['.Sh DESCRIPTION' if path == paths[0] else f'.Sh CLMP/{file.upper()}']
        body += paragraphs(shown(first[2:])) # behind the title and the licence
        for section in sections:
            title = section.title or 'functions and types'
            body.append(f'.Ss {title[0].upper()}{title[1:]}')
            blocks = []
            for part in section.parts:
                if isinstance(part, str):
                    blocks += shown(header.blocks_of(part))
                else:
                    blocks.append(code_of(part))
                    blocks += shown(header.blocks_of(part.comment)) if part.comment else []
            body += paragraphs(blocks)
    body += see_also(also)
    with open(output, 'w', encoding='utf-8') as file:
        file.write(page(name, 3, date, description, body))


main()
