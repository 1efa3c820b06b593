"""Lays out the sources of the site: the tree's own Markdown at its own places, so that its links hold, and pages made of
headers, examples and manual pages.

usage: assemble.py ROOT MANUAL_PAGES OUTPUT

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import shutil
import subprocess
import sys

root, manuals, output = sys.argv[1:]
sys.path.insert(0, os.path.join(root, 'docs', 'man'))
import header # noqa: E402
from reference import page_of # noqa: E402

# Pages by the part of the contents that they stand in; what is not in the tree is left out.
CONTENTS = {
    'Use it': ['docs/losses.md', 'docs/python.md', 'examples/index.md', 'docs/training.md', 'docs/ranks.md',
               'docs/tuning.md', 'docs/limits.md'],
    'Reference': ['reference/clmp.rst', 'reference/head.rst', 'reference/mpi.rst', 'man/clmp.md', 'man/clmp-train.md',
                  'man/clmp-bench.md'],
    'How it works': ['docs/algorithm.md', 'docs/reliability.md'],
    'Results': ['bench/README.md', 'bench/quality/README.md', 'bench/results/devices.md'],
    'Project': ['CONTRIBUTING.md', 'SECURITY.md', 'NEWS.md'],
}
EXAMPLES = [
    ('pipeline.c', 'A pipeline', 'Your context, queue and workspace, and events from the logits to their gradient.'),
    ('raii.cpp', 'C++17', 'Objects that release themselves, and errors that are exceptions.'),
    ('own_loss.c', 'Your own loss', 'The weights of losses that you computed.'),
    ('low_resolution.c', 'Logits at a quarter of the image', 'They are interpolated within the loss.'),
    ('multi_label.c', 'Many labels a pixel', 'Each class is a problem of its own.'),
    ('split_batch.c', 'One batch over two devices', 'Split by their speed, with the bits of one device.'),
    ('head.c', 'A classification head', 'Features in, the gradients of features, weight and bias out.'),
    ('tinygrad_training.py', 'A training by tinygrad', 'In Python, on the buffers and in the queue of its CL device.'),
    ('Makefile', 'Makefile', 'Finds an installed libclmp by pkg-config.'),
    ('CMakeLists.txt', 'CMake', 'Finds it by `find_package(clmp)`.'),
]


def write(path, text):
    path = os.path.join(output, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def read(path):
    with open(os.path.join(root, path), encoding='utf-8') as file:
        return file.read()


def tracked():
    """The tree's files, or where there is no git, all that are no build's."""
    try:
        names = subprocess.run(['git', '-C', root, 'ls-files'], check=True, capture_output=True, text=True).stdout
        return names.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return [os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root)
                for name in names if not os.path.relpath(folder, root).startswith(('build', '.git'))]


def links(text, path):
    """Links that Sphinx would not find: README.md is the first page here, sources are shown by the pages made of them."""
    folder = os.path.dirname(path)

    def replaced(match):
        target = os.path.normpath(os.path.join(folder, match.group(1)))
        at = os.path.relpath
        here = folder or '.'
        if target == 'README.md':
            return f']({at("index.md", here)})'
        if re.match(r'include/clmp/\w+\.h$', target):
            return f']({at("reference/" + os.path.basename(target)[:-2] + ".rst", here)})'
        if target == 'NEWS':
            return f']({at("NEWS.md", here)})'
        if os.path.dirname(target) == 'examples' or target == 'examples':
            return f']({at("examples/index.md", here)})'
        return match.group(0)

    return re.sub(r'\]\(([^)#:]+)\)', replaced, text)


def markdown():
    """The tree's pages, and the pictures and files beside them."""
    for path in tracked():
        kind = os.path.splitext(path)[1]
        if kind == '.md' and path not in ('README.md', 'examples/README.md'):
            write(path, links(read(path), path))
        elif path.startswith(('bench/', 'docs/')) and kind in ('.png', '.txt', '.csv', '.json', '.svg') or path == 'LICENSE':
            os.makedirs(os.path.dirname(os.path.join(output, path)), exist_ok=True)
            shutil.copy(os.path.join(root, path), os.path.join(output, path))
    news = re.sub(r'^libclmp ([0-9.]+)$', r'## \1', read('NEWS'), flags=re.M)
    write('NEWS.md', '# News\n\n' + re.sub(r'(\\|[*_<])(?=\w)', r'\\\1', news))


def contents():
    text = links(read('README.md'), 'README.md')
    named = {page for pages in CONTENTS.values() for page in pages}
    rest = sorted(os.path.relpath(os.path.join(folder, name), output) for folder, _, names in os.walk(output)
                  for name in names if name.endswith('.md'))
    for part, pages in CONTENTS.items():
        if part == 'Project': # whatever else there is
            pages = pages + [page for page in rest if page not in named]
        there = [page for page in pages if os.path.exists(os.path.join(output, page))]
        text += f'\n```{{toctree}}\n:hidden:\n:caption: {part}\n\n' + '\n'.join(there) + '\n```\n'
    write('index.md', text)


def examples():
    shutil.copytree(os.path.join(root, 'examples'), os.path.join(output, 'examples'),
                    ignore=lambda folder, names: [name for name in names if name in ('build', 'meson.build', 'README.md')])
    # Its table names the files; here they follow, each with a heading.
    text = read('examples/README.md').split('\n|')[0]
    for name, title, what in EXAMPLES:
        language = {'c': 'c', 'cpp': 'cpp', 'py': 'python', 'txt': 'cmake'}.get(name.rpartition('.')[2], 'make')
        text += (f'\n## {title}\n\n{what}\n\n```{{literalinclude}} {name}\n:language: {language}\n:caption: examples/{name}\n'
                 '```\n')
    write('examples/index.md', text)


def manual_pages():
    """mandoc's HTML of the pages that were built."""
    for name in sorted(os.listdir(manuals)):
        base, section = name.rsplit('.', 1)
        if section != '1' or not base.startswith('clmp'):
            continue
        page = subprocess.run(['mandoc', '-T', 'html', '-O', 'fragment,man=%N.html', os.path.join(manuals, name)],
                              check=True, capture_output=True, text=True).stdout
        page = page.replace('href="libclmp.html"', 'href="../reference/clmp.html"')
        write(f'man/{base}.md', f'# {base}\n\n```{{raw}} html\n<div class="manual">\n{page}</div>\n```\n')


markdown()
for name in sorted(os.listdir(os.path.join(root, 'include', 'clmp'))):
    write(f'reference/{name[:-2]}.rst', page_of(os.path.join(root, 'include', 'clmp', name), header))
examples()
manual_pages()
contents()
