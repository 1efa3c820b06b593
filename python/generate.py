#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The public header as a Python module: enums, ctypes structures and prototypes, and what Python users see of them.

usage: generate.py CLMP.H HEADER.PY

Nothing of the header is written by hand a second time: a new field, enumerator or function is there after the next
build.  Whatever in the header this script does not understand stops the build.
"""

import re
import sys

SCALARS = {  # of C: ctypes, and what a field of it is in Python
    "bool": ("ctypes.c_bool", "bool"),
    "cl_bool": ("ctypes.c_uint32", "int"),
    "cl_device_type": ("ctypes.c_uint64", "int"),
    "cl_float": ("ctypes.c_float", "float"),
    "cl_uint": ("ctypes.c_uint32", "int"),
    "cl_ulong": ("ctypes.c_uint64", "int"),
    "double": ("ctypes.c_double", "float"),
    "float": ("ctypes.c_float", "float"),
    "int": ("ctypes.c_int", "int"),
    "int64_t": ("ctypes.c_int64", "int"),
    "size_t": ("ctypes.c_size_t", "int"),
    "uint32_t": ("ctypes.c_uint32", "int"),
    "uint64_t": ("ctypes.c_uint64", "int"),
}
HANDLES = ("cl_command_queue", "cl_context", "cl_device_id", "cl_event", "cl_mem", "cl_platform_id")
# Fields of clmp_plan_params that the package sets from the arrays it is given, so that nobody else does.
FROM_ARRAYS = (
    "struct_size input images classes height width logits_height logits_width label_type logits_type logits_layout "
    "logits_row_pitch tuning ranks"
).split()


class Misunderstood(Exception):
    pass


def camel(name):
    """clmp_plan_params is PlanParams; Result is what users see of clmp_result."""
    return "".join(word.capitalize() for word in name.split("_")[1:]) + ("Record" if name == "clmp_result" else "")


def words(comment):
    """A comment's text in one line."""
    return " ".join(re.sub(r"^\s*\* ?", "", line) for line in comment.splitlines()).strip()


def split_comments(text):
    """The text with every comment replaced by a mark, and the comments by their mark."""
    comments = {}

    def keep(match):
        mark = f"\x01{len(comments)}\x02"
        comments[mark] = re.sub(r"\s+", " ", words(match.group(1).strip()))
        return mark

    return re.sub(r"/\*(.*?)\*/", keep, text, flags=re.S), comments


def without(text):
    return re.sub(r"\x01\d+\x02", " ", text)


class Header:
    def __init__(self, text):
        text, self.comments = split_comments(text)
        plain = without(text)
        self.version = ".".join(
            re.search(rf"#define CLMP_VERSION_{part} (\d+)", plain).group(1) for part in ("MAJOR", "MINOR", "PATCH")
        )
        self.macros = re.findall(r"^#define (CLMP_\w+)\((\w+)\) (.*)$", plain, re.M)
        self.opaque = re.findall(r"typedef struct (\w+) \1;", plain)
        self.callbacks = re.findall(r"typedef (\w+) \(\*(\w+)\)\((.*?)\);", plain, re.S)
        self.enums = [
            (name, re.findall(r"(\w+) = (\d+)", without(body)))
            for name, body in re.findall(r"typedef enum (\w+) \{(.*?)\} \1;", text, re.S)
        ]
        self.enum_names = [name for name, _ in self.enums]
        self.struct_names = re.findall(r"typedef struct (\w+) \{", plain)
        self.structs = [
            (name, self.fields(body))
            for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, re.S)
        ]
        self.functions = [
            (name, self.kind(result), [self.kind(self.bare(one)) for one in arguments.split(",") if one.strip() != "void"])
            for result, name, arguments in re.findall(r"CLMP_API ([\w ]+?[ *]+)(clmp_\w+)\((.*?)\);", plain, re.S)
        ]
        declared = len(re.findall(r"^CLMP_API ", plain, re.M))
        if declared != len(self.functions) or len(self.structs) != len(self.struct_names) or not self.enums:
            raise Misunderstood(f"{len(self.functions)} of {declared} functions, {len(self.structs)} structs")

    @staticmethod
    def bare(argument):
        """An argument's type."""
        return re.sub(r"(\w+)\s*$", "", argument.strip()) if not argument.rstrip().endswith("*") else argument

    def kind(self, text):
        """A type of C in ctypes."""
        text = re.sub(r"\bconst\b|\bstruct\b", "", text).strip()
        base, stars = text.rstrip("* "), text.count("*")
        if stars == 0:
            if base == "void":
                return "None"
            if base in HANDLES:
                return "ctypes.c_void_p"
            if base in self.enum_names:
                return "ctypes.c_int"
            if base in self.struct_names or base in [name for _, name, _ in self.callbacks]:
                return camel(base)
            if base in SCALARS:
                return SCALARS[base][0]
        elif base == "char" and stars == 1:
            return "ctypes.c_char_p"
        elif stars == 1 and base in self.struct_names:
            return f"ctypes.POINTER({camel(base)})"
        elif stars == 1 and base in ("float", "double", "uint64_t", "size_t"):
            return f"ctypes.POINTER({SCALARS[base][0]})"
        elif stars == 1 and (base in HANDLES or base == "void" or base in self.opaque):
            return "ctypes.c_void_p"  # of handles an array
        elif stars == 2 and base in self.opaque:
            return "ctypes.POINTER(ctypes.c_void_p)"
        raise Misunderstood(f"type '{text}'")

    def fields(self, body):
        """(name, ctypes, annotation, type of C, comment) for each field."""
        found = []
        # A comment stands before a field's declaration or behind it.
        pieces = re.findall(r"((?:\s*\x01\d+\x02)*)\s*([^;\x01]+);(?:[ ]*(\x01\d+\x02))?", body)
        for before, declaration, behind in pieces:
            comment = self.comments[behind] if behind else " ".join(
                self.comments[mark] for mark in re.findall(r"\x01\d+\x02", before))
            base, names = re.match(r"((?:const )?\w+[ *]+)(.*)$", declaration.strip(), re.S).groups()
            for name in names.split(","):
                name, count = re.match(r"(\w+)(?:\[(\d+)\])?$", name.strip()).groups()
                bare = base.replace("const", "").strip()
                if bare == "char" and count:
                    kind, annotation = f"ctypes.c_char * {count}", "bytes"
                elif count:
                    kind, annotation = f"{self.kind(bare)} * {count}", "ctypes.Array[Any]"
                else:
                    kind = self.kind(base.strip())
                    annotation = SCALARS.get(bare, (None, "Any"))[1]
                    if bare in self.enum_names:
                        annotation = "int"
                    elif bare in self.struct_names:
                        annotation = camel(bare)
                    elif kind in ("ctypes.c_void_p", "ctypes.c_char_p"):
                        annotation = "int | None" if kind.endswith("void_p") else "bytes | None"
                found.append((name, kind, annotation, bare, comment))
        if sum(1 for _ in re.finditer(";", without(body))) != len(pieces):
            raise Misunderstood(f"fields in '{without(body)}'")
        return found


def write_enums(header, put):
    for name, members in header.enums:
        first = members[0][0]
        length = max(i for i in range(len(first) + 1) if all(m.startswith(first[:i]) for m, _ in members))
        prefix = first[: first.rindex("_", 0, length) + 1]
        put(f"class {camel(name)}(enum.IntEnum):")
        put(f'    """{name} of clmp/clmp.h."""\n')
        for member, value in members:
            put(f"    {member[len(prefix):]} = {value}")
        put("\n")


def write_structs(header, put):
    callbacks = list(header.callbacks)
    for result, name, arguments in callbacks:
        kinds = [header.kind(header.bare(one)) for one in arguments.split(",")]
        put(f"{camel(name)} = ctypes.CFUNCTYPE({', '.join([header.kind(result)] + kinds)})\n\n")
    for name, fields in header.structs:
        put(f"class {camel(name)}(ctypes.Structure):")
        put(f'    """{name} of clmp/clmp.h."""\n')
        for field, _, annotation, _, _ in fields:
            put(f"    {field}: {annotation}")
        put("    _fields_ = [")
        for field, kind, _, _, _ in fields:
            put(f'        ("{field}", {kind}),')
        put("    ]\n\n")


def write_functions(header, put):
    put("PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {")
    for name, result, arguments in header.functions:
        put(f'    "{name}": ({result}, [{", ".join(arguments)}]),')
    put("}\n\n")
    for name, argument, value in header.macros:
        put(f"def {name[5:].lower()}({argument}: int) -> int:")
        put(f'    """{name}({argument}) of clmp/clmp.h."""')
        put(f"    return {value}\n\n")


def write_public(header, put):
    """What users see: the frozen record of a result, and the keywords that are fields of clmp_plan_params."""
    structs = dict(header.structs)
    put("@dataclasses.dataclass(frozen=True)")
    put("class Result:")
    put('    """What a step found: the fields of ``clmp_result``.\n')
    put("    Attributes\n    ----------")
    record = [field for field in structs["clmp_result"] if field[0] != "reserved"]
    for field, _, annotation, _, comment in record:
        put(f"    {field} : {annotation}\n        {comment}")
    put('    """\n')
    for field, _, annotation, _, _ in record:
        put(f"    {field}: {annotation}")
    put("\n")
    keywords = [field for field in structs["clmp_plan_params"] if field[0] not in FROM_ARRAYS]
    put("class PlanFields(TypedDict, total=False):")
    put('    """Keywords that are fields of ``clmp_plan_params``: what the loss is, and how pixels are weighed."""\n')
    for field, _, annotation, base, _ in keywords:
        if base in header.enum_names:
            annotation = f"{camel(base)} | str"
        elif field == "class_weights":
            annotation = "ArrayLike | None"
        put(f"    {field}: {annotation}")
    put("\n")
    put("FIELD_ENUMS: dict[str, type[enum.IntEnum]] = {")
    for field, _, _, base, _ in structs["clmp_plan_params"]:
        if base in header.enum_names:
            put(f'    "{field}": {camel(base)},')
    put("}\n")
    put("FIELD_WORDS = {")
    for field, _, _, _, comment in keywords:
        put(f"    {field!r}: {comment!r},")
    put("}")


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="ascii") as file:
        header = Header(file.read())
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        "# Written by python/generate.py from include/clmp/clmp.h; do not edit.",
        '"""The public header clmp/clmp.h."""\n',
        "from __future__ import annotations\n",
        "import ctypes\nimport dataclasses\nimport enum",
        "from typing import TYPE_CHECKING, Any, TypedDict\n",
        "if TYPE_CHECKING:\n    from numpy.typing import ArrayLike\n",
        f'VERSION = "{header.version}"\n\n',
    ]
    for write in (write_enums, write_structs, write_functions, write_public):
        write(header, lines.append)
    with open(target, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        main()
    except Misunderstood as error:
        sys.exit(f"generate.py: the header is not understood: {error}")
