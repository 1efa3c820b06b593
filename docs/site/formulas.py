"""Sets the formulas of a site's pages by KaTeX, so that readers need no script, and no formula is wrong unnoticed.

usage: formulas.py HTML_FOLDER

SPDX-License-Identifier: Apache-2.0
"""
import html
import json
import os
import re
import shutil
import subprocess
import sys

NODE = '''
const katex = require('katex');
const formulas = JSON.parse(require('fs').readFileSync(0, 'utf-8'));
console.log(JSON.stringify(formulas.map(([text, display]) =>
    katex.renderToString(text, {displayMode: display, throwOnError: true, strict: 'error'}))));
'''
FORMULA = re.compile(r'<(span|div) class="formula[^"]*"[^>]*>(.*?)</\1>', re.S)

pages = {}
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith('.html'):
            path = os.path.join(folder, name)
            with open(path, encoding='utf-8') as file:
                pages[path] = file.read()

wanted = sorted({(html.unescape(text), tag == 'div') for page in pages.values() for tag, text in FORMULA.findall(page)})
done = subprocess.run(['node', '-e', NODE], input=json.dumps(wanted), capture_output=True, text=True,
                      env={**os.environ, 'NODE_PATH': '/usr/share/nodejs'})
if done.returncode != 0:
    sys.exit('formulas: ' + done.stderr)
shown = dict(zip(wanted, json.loads(done.stdout)))
for path, page in pages.items():
    with open(path, 'w', encoding='utf-8') as file:
        file.write(FORMULA.sub(lambda found: '<{0} class="set">{1}</{0}>'.format(
            found[1], shown[html.unescape(found[2]), found[1] == 'div']), page))
shutil.copytree('/usr/share/fonts/truetype/katex', os.path.join(sys.argv[1], '_static', 'fonts'), dirs_exist_ok=True)
print(f'formulas: {len(wanted)} in {len(pages)} pages', file=sys.stderr)
