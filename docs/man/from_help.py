"""Makes a manual page from what a program says of itself with --help.

usage: from_help.py OUTPUT 'Month 1, 2026' 'DESCRIPTION' 'SEE ALSO 1, libclmp 3' PROGRAM [COMMAND...]

The texts of --help look like this, and what does not is shown as it stands:

    usage: lines
    paragraphs
    heading:
      entry      text, at least two spaces or the column behind the entry

SPDX-License-Identifier: Apache-2.0
"""
import re
import subprocess
import sys

from mdoc import arguments, literal, page, paragraphs, prose, see_also, tagged


def blocks_of(text):
    """(heading or '', its lines) for each part of a help text."""
    blocks = []
    for part in re.split(r'\n\s*\n', text.strip('\n')):
        lines = part.split('\n')
        heading = ''
        match = re.fullmatch(r'([a-z ]{3,20}):', lines[0])
        if match:
            heading, lines = match.group(1), lines[1:]
        elif re.match(r'usage: ', lines[0]):
            heading = 'usage'
        else:
            match = re.match(r'([Ee]xit status|results): *(.*)', '\n'.join(lines), re.S)
            if match:
                heading, lines = match.group(1).lower(), match.group(2).split('\n')
        # A paragraph, and behind it without an empty line what is indented; and the other way round.
        run, indented = [], None
        for line in lines:
            inner = line.startswith('  ') and heading != 'usage'
            status = re.match(r'exit status: *(.*)', line)
            if run and (inner != indented or status):
                blocks.append((heading, run))
                run = []
                heading = '' if not inner else heading
            if status:
                heading, line = 'exit status', status.group(1)
            run.append(line)
            indented = inner
        blocks.append((heading, run))
    return blocks


def entries_of(lines):
    """(entry, text) of lines that are indented: '  --p P       text', and further lines of text."""
    deeper = [len(line) - len(line.lstrip()) for line in lines]
    column = max(deeper)
    if column <= 3: # no line goes on: the column is where most texts begin
        found = [re.match(r'  \S+(?: \S+)*  +(?=\S)', line) for line in lines]
        column = max((match.end() for match in found if match), default=0)
    entries = []
    for line, indent in zip(lines, deeper):
        if indent > 3 and entries:
            entries[-1][1] += ' ' + line.strip()
            continue
        match = re.match(r'  (\S+(?: \S+)*?)  +(\S.*)', line)
        if match and len(match.group(1)) + 2 >= column - 2 or match and match.end(1) < column:
            entries.append([match.group(1), match.group(2)])
        elif len(line) > column and line[column - 1] == ' ':
            entries.append([line[2:column].strip(), line[column:]])
        else:
            return None
    return entries


def tag_of(entry):
    """The arguments of .It for '-o, --output FOLDER', 'LABELS' or 'devices'."""
    if not entry.startswith('-'):
        return ('Ar ' if re.match(r'[A-Z]', entry) else 'Cm ') + arguments(entry)
    options = []
    for option in entry.split(', '):
        name, _, argument = option.partition(' ')
        options.append(f'Fl {arguments(name[1:])}' + (f' Ar {arguments(argument)}' if argument else ''))
    return ' , '.join(options)


def synopsis_of(lines):
    out = []
    for line in lines:
        words = re.sub(r'^usage:', '', line).split()
        if not words:
            continue
        # A line that goes on: no program's name.
        if not words[0].startswith('clmp'):
            out[-1] += ' ' + ' '.join(words)
            continue
        out.append(' '.join(words))
    shown = []
    for text in out:
        name, _, rest = text.partition(' ')
        shown.append(f'.Nm {name}')
        parts = []
        for word in re.findall(r'\[[^][]*\](?=\s|$)|\S+', rest):
            if re.fullmatch(r'\[[^][]*\]', word):
                parts.append('Op ' + tag_of(word[1:-1]) if word.startswith('[-') else 'Op Ar ' + arguments(word[1:-1]))
            elif word.startswith('--'):
                parts.append(f'Fl {arguments(word[1:])}')
            elif re.fullmatch(r'[a-z-]+', word):
                parts.append(f'Cm {arguments(word)}')
            else:
                parts.append(f'Ar {arguments(word)}')
        # A part a line, as .Op takes all that follows.
        shown += ['.' + part for part in parts]
    return shown


class Help:
    def __init__(self, program, command=()):
        self.command = ' '.join(command)
        text = subprocess.run([*program, *command, '--help'], check=True, capture_output=True, text=True).stdout
        self.usage, self.body, self.examples, self.environment, self.status = [], [], [], [], []
        for heading, lines in blocks_of(text):
            if heading == 'usage':
                self.usage += lines
            elif heading in ('example', 'examples'):
                self.examples += lines
            elif heading == 'environment':
                self.environment += tagged([('Ev ' + entry, text) for entry, text in entries_of(lines)])
            elif heading == 'exit status':
                self.status += prose(' '.join(lines))
            else:
                self.body.append(self.block(heading, lines))

    @staticmethod
    def block(heading, lines):
        intro = prose(heading[0].upper() + heading[1:] + ':') if heading else []
        if lines[0].startswith('  '):
            entries = entries_of(lines)
            shown = tagged([(tag_of(entry), text) for entry, text in entries]) if entries else literal(lines)
        else:
            shown = prose(' '.join(lines))
        return intro + shown


def main():
    output, date, description, also, program, *commands = sys.argv[1:]
    name = re.sub(r'.*/', '', program)
    general = Help([program])
    helps = [Help([program], (command,)) for command in commands]
    body = ['.Sh SYNOPSIS'] + synopsis_of(general.usage)
    for each in helps:
        body += synopsis_of(each.usage)
    body += ['.Sh DESCRIPTION'] + paragraphs(general.body)
    if helps:
        body.append('.Sh COMMANDS')
        for each in helps:
            body += [f'.Ss {name} {each.command}'.replace('-', '\\-')] + paragraphs(each.body)
    if general.environment:
        body += ['.Sh ENVIRONMENT'] + general.environment
    body += ['.Sh EXIT STATUS'] + general.status
    examples = [line for each in [general, *helps] for line in each.examples]
    if examples:
        body += ['.Sh EXAMPLES'] + literal(examples)
    body += see_also(also)
    with open(output, 'w', encoding='utf-8') as file:
        file.write(page(name, 1, date, description, body))


main()
