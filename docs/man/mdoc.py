"""What the makers of manual pages share: mdoc, the markup of manual pages.

SPDX-License-Identifier: Apache-2.0
"""
import re
import textwrap


def escape(text):
    """Text that says what it says, wherever in a line it stands."""
    text = text.replace('\\', '\\e')
    # Hyphens and quotes of what is typed are these characters and no typographer's; so are a circumflex and a tilde.
    return text.replace('-', '\\-').replace('`', '\\(ga').replace('^', '\\(ha').replace('~', '\\(ti')


def prose(text):
    """Lines of filled text: each sentence begins one, none is taken for a macro; functions() and `names` are marked."""
    lines = []
    # A sentence ends behind a stop, but not behind the initial of a name.
    for sentence in re.split(r'(?<=[.?!:])(?<!\b[A-Z]\.)\s+(?=[A-Z(])', ' '.join(text.split())):
        for part in textwrap.wrap(sentence, 66, break_long_words=False, break_on_hyphens=False):
            for words in re.split(r'(?:^| )(\w+\(\)[.,;:]?)(?= |$)', part):
                function = re.fullmatch(r'(\w+)\(\)([.,;:]?)', words)
                if function:
                    lines.append(f'.Fn {function.group(1)} {function.group(2)}'.rstrip())
                elif words.strip():
                    line = re.sub(r'\\\(ga([^ ]+?)\\\(ga', r'\\fI\1\\fP', escape(words.strip()))
                    lines.append('\\&' + line if line[:1] in ".'" else line)
    return lines


def arguments(text):
    """A macro's arguments, which are words that are no macros: short capitalised names could be."""
    words = []
    for word in text.split(' '):
        if word:
            quoted = escape(word).replace('"', '\\(dq')
            words.append('\\&' + quoted if re.fullmatch(r'[A-Z][a-z]|[.,:;()\[\]?!|]', word) else quoted)
    return ' '.join(words)


def literal(lines):
    """Lines as they stand."""
    width = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    shown = [escape(line[width:].rstrip()) for line in lines]
    return ['.Bd -literal -offset 2n'] + ['\\&' + line if line[:1] in ".'" else line for line in shown] + ['.Ed']


def tagged(entries):
    """(tag as arguments of .It, text or lines of it)"""
    lines = ['.Bl -tag -width Ds']
    for tag, text in entries:
        lines += ['.It ' + tag] + prose(text)
    return lines + ['.El']


def paragraphs(blocks):
    """Blocks of lines with .Pp between them, and none where a list or display brings its own space."""
    lines = []
    for block in blocks:
        if lines and not block[0].startswith(('.Bl', '.Bd')) and not lines[-1].startswith(('.Sh', '.Ss')):
            lines.append('.Pp')
        lines += block
    return lines


def see_also(pages):
    """'clmp 1, libclmp 3' as a section."""
    references = [f'.Xr {reference}' for reference in pages.split(', ')]
    return ['.Sh SEE ALSO'] + [reference + ' ,' for reference in references[:-1]] + references[-1:]


def page(name, section, date, description, body):
    title = f'.Dt {escape(name.upper())} {section}'
    head = [f'.\\" Made from the words of the program or the header itself.  SPDX-License-Identifier: Apache-2.0',
            f'.Dd {date}', title, '.Os', '.Sh NAME', f'.Nm {name}', f'.Nd {description}']
    return '\n'.join(head + body) + '\n'
