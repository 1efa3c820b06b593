"""A page of Sphinx for a public header: its comments as text, its declarations in Sphinx's domain for C.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re


def escaped(text):
    """Plain text as reStructuredText: `names` are code, names of the library links."""
    parts = re.split(r'(`[^`]+`|\b(?:clmp|CLMP)_\w+(?:\(\))?|docs/\w+\.md)', text)
    out = []
    for part in parts:
        if re.fullmatch(r'`[^`]+`', part):
            out.append(f'\\ ``{part[1:-1]}``\\ ')
        elif re.fullmatch(r'docs/\w+\.md', part):
            out.append(f'\\ :doc:`{part[:-3]} </{part[:-3]}>`\\ ')
        elif re.fullmatch(r'(?:clmp|CLMP)_\w+\(\)', part):
            out.append(f'\\ :c:func:`{part[:-2]}`\\ ')
        elif re.fullmatch(r'clmp_\w+[a-z0-9]', part):
            out.append(f'\\ :c:expr:`{part}`\\ ')
        elif re.fullmatch(r'CLMP_\w+', part):
            out.append(f'\\ :c:macro:`{part}`\\ ')
        else:
            out.append(re.sub(r'([\\*_|`<>])', r'\\\1', part))
    return ''.join(out)


def indented(lines, by):
    return [(' ' * by + line) if line else '' for line in lines]


def text_of(blocks):
    lines = []
    for kind, content in blocks:
        if kind == 'text':
            lines += [escaped(content), '']
        elif kind == 'list':
            for tag, text in content:
                lines += [f'``{tag}``'] + indented([escaped(text)], 4) + ['']
        else:
            width = min(len(line) - len(line.lstrip()) for line in content)
            lines += ['.. code-block:: text', ''] + indented([line[width:] for line in content], 3) + ['']
    return lines


def signature(code):
    return ' '.join(code.rstrip(';').split())


def declaration(part, header, blocks_of):
    """The directive of a declaration, with what its comment says and its members."""
    comment = text_of(blocks_of(part.comment)) if part.comment else []
    entries = header.members(part.code)
    if entries is not None:
        kind = part.code.split()[1]
        lines = [f'.. c:{kind}:: {part.name}', ''] + indented(comment, 3)
        # 'uint64_t height, width' are two.
        apart = [((member.split()[0] + ' ' if i else '') + one.strip(), text) for member, text in entries
                 for i, one in enumerate(member.split(','))]
        for member, text in apart:
            directive = 'enumerator' if kind == 'enum' else 'member'
            lines += [f'   .. c:{directive}:: {member}', ''] + (indented([escaped(text), ''], 6) if text else [])
        return lines
    if part.code.startswith('#define'):
        names = re.findall(r'#define (\w+(?:\([^)]*\))?)(.*)', part.code)
        lines = [('.. c:macro:: ' if i == 0 else '             ') + name for i, (name, _) in enumerate(names)]
        return lines + [''] + indented(comment, 3)
    if part.code.startswith('typedef struct'):
        return [f'.. c:struct:: {part.name}', ''] + indented(comment or ['Opaque.', ''], 3)
    if part.code.startswith('typedef'):
        return [f'.. c:type:: {signature(part.code).removeprefix("typedef ")}', ''] + indented(comment, 3)
    functions = [signature(code) for code in re.split(r';\s*\n', part.code.rstrip(';'))]
    lines = [('.. c:function:: ' if i == 0 else '                ') + function for i, function in enumerate(functions)]
    return lines + [''] + indented(comment, 3)


def heading(title, line):
    return [title, line * len(title), '']


def page_of(path, header):
    first, sections = header.read(path)
    name = 'clmp/' + os.path.basename(path)
    lines = heading(name, '=') + text_of(first[:1] + first[2:]) # without the licence
    for section in sections:
        title = section.title or 'functions and types'
        lines += heading(title[0].upper() + title[1:], '-')
        for part in section.parts:
            if isinstance(part, str):
                lines += text_of(header.blocks_of(part))
            else:
                lines += declaration(part, header, header.blocks_of)
    return '\n'.join(lines) + '\n'
