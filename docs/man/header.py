"""Reads a public header: its sections, declarations, and what their comments say.

The headers are written to be read as they stand, so their comments are plain text:

    /* ---- section */      begins a section
    a comment               belongs to the declarations that follow it without an empty line, else to the section
    TAG   text              in a comment, at least two spaces apart, its further lines below the text: a list
    lines indented          are shown as they stand

Functions ..._sized() are what inline functions call, and are left out.

SPDX-License-Identifier: Apache-2.0
"""
import re
from typing import NamedTuple

ENTRY = re.compile(r'(\S+(?: (?:and )?\S+)?) {2,}(\S.*)')


class Declaration(NamedTuple):
    comment: str # '' where there is none
    code: str
    name: str    # of what is declared last, '' if that has none


class Section(NamedTuple):
    title: str
    parts: list # Declarations, and comments that belong to none


def plain(comment):
    """The text of a comment."""
    lines = comment.strip()[2:-2].split('\n')
    return '\n'.join(re.sub(r'^ ?\* ?', '', line.rstrip()) if i else line.rstrip().removeprefix(' ')
                     for i, line in enumerate(lines)).strip('\n').rstrip()


def blocks_of(text):
    """('text', str), ('list', [(tag, text)]) or ('lines', [str]) for each part of a comment."""
    blocks = []
    for part in re.split(r'\n[ \t]*\n', text):
        lines = part.split('\n')
        entries = None
        for line in lines:
            found = ENTRY.fullmatch(line)
            if found and not line.startswith(' ') and found.group(1)[-1] not in '.,;:)':
                entries = (entries or []) + [[found.group(1), found.group(2)]]
            elif entries and line.startswith(' '):
                entries[-1][1] += ' ' + line.strip()
            else:
                entries = None
                break
        if entries and blocks and blocks[-1][0] == 'list':
            blocks[-1][1].extend(entries)
        elif entries:
            blocks.append(('list', entries))
        elif any(line.startswith('  ') for line in lines):
            head = 0
            while head < len(lines) and not lines[head].startswith('  '):
                head += 1
            if head:
                blocks.append(('text', ' '.join(lines[:head])))
            end = head
            while end < len(lines) and lines[end].startswith('  '):
                end += 1
            blocks.append(('lines', lines[head:end]))
            if end < len(lines):
                blocks += blocks_of('\n'.join(lines[end:]))
        else:
            blocks.append(('text', ' '.join(lines)))
    return blocks


def prototype(code):
    """An inline function without its body, and nothing of how it is exported."""
    code = re.sub(r'\bCLMP_API\s+', '', code)
    if code.startswith('static inline'):
        code = code.removeprefix('static inline ').split('{')[0].rstrip() + ';'
    return code


def members(code):
    """[(member, what its comment says)] of a struct or an enum, None of what has none."""
    found = re.fullmatch(r'typedef (struct|enum) \w+ \{(.*)\} \w+;', code, re.S)
    if not found:
        return None
    end = ';' if found.group(1) == 'struct' else ','
    parts = []
    above = ''
    for piece in re.finditer(rf'(?P<comment>/\*.*?\*/)|(?P<member>[^\s/{end}][^/{end}]*){end}?', found.group(2), re.S):
        if piece['member']:
            parts.append([' '.join(piece['member'].split()), above])
            above = ''
            continue
        text = ' '.join(re.sub(r'\n\s*\*', ' ', piece['comment'][2:-2]).split())
        # Behind a member, it is this one's; alone in its line, the next one's.
        line = found.group(2)[:piece.start()].rsplit('\n', 1)[-1]
        if line.strip():
            parts[-1][1] = (parts[-1][1] + ' ' + text).strip()
        else:
            above = text
    return parts


def name_of(code):
    for pattern in (r'#define (\w+)', r'\(\*(\w+)\)\(', r'}\s*(\w+);', r'(\w+)\s*\(', r'typedef .*?(\w+);'):
        found = re.search(pattern, code, re.S)
        if found:
            return found.group(1)
    return ''


def read(path):
    """(the first comment's blocks of text, [Section])"""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    first = plain(re.match(r'/\*.*?\*/', text, re.S).group())
    body = text[text.index('extern "C" {'):]
    body = body[body.index('#endif') + len('#endif'):body.rindex('#ifdef __cplusplus')]
    body = re.sub(r'#if defined\(__GNUC__\).*?#endif\n', '', body, flags=re.S)
    sections = [Section('', [])]
    comment = ''
    # Comments that begin a line, declarations up to what ends them, empty lines.
    token = re.compile(r'(?P<comment>/\*.*?\*/)[^\S\n]*\n|(?P<define>#define[^\n]*\n)|(?P<empty>[^\S\n]*\n)'
                       r'|(?P<code>[^\n]*?(?:\{\n.*?\n\}[^\n]*|;)[^\n]*\n|[^\n]+\n(?:[^\n]+\n)*?[^\n]*(?:;|\{\n.*?\n\})[^\n]*\n)',
                       re.S)
    position = 0
    while position < len(body):
        found = token.match(body, position)
        if not found:
            raise ValueError(f'{path}: cannot read: {body[position:position + 80]!r}')
        position = found.end()
        if found['comment']:
            title = re.fullmatch(r'/\* -{20,} (.*?) \*/', found['comment'])
            if title:
                sections.append(Section(title.group(1), []))
            else:
                comment = plain(found['comment'])
        elif found['empty']:
            if comment:
                sections[-1].parts.append(comment)
            comment = ''
        else:
            code = prototype((found['define'] or found['code']).rstrip())
            name = name_of(code)
            last = sections[-1].parts[-1] if sections[-1].parts else None
            if not name.endswith('_sized'):
                follows = body[:found.start()].endswith(';\n') or found['define'] and last and last.code.startswith('#')
                if not comment and isinstance(last, Declaration) and follows:
                    # Declarations in a row share the comment above the first.
                    sections[-1].parts[-1] = Declaration(last.comment, last.code + '\n' + code, name)
                else:
                    sections[-1].parts.append(Declaration(comment, code, name))
                comment = ''
            elif re.match(r'(As|Sets|Writes) ', comment):
                # Its inline function may share the comment.
                comment = '' if comment.startswith('As ') else comment
    if comment:
        sections[-1].parts.append(comment)
    return blocks_of(first), [section for section in sections if section.parts]
