#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What GPUs would run, without a GPU: compiles kernels offline, and fails where one needs a stack or spills registers.

usage: codegen.py [--classes N,N..] [--group N] [--quiet] [FILE.cl...]     without files: all of kernels/

Targets: AMD gfx906 (clang, libclc, llc) and NVIDIA sm_90 (the same, then ptxas, where that is on the PATH or named by
PTXAS).  Columns: regs, registers of a work-item; stack, bytes of its own memory, for an array that is not in registers;
spills, bytes that go there for want of registers; instr, instructions in the code (of PTX for sm_90), where a loop that is
not unrolled counts once.  Drivers have compilers of their own: it is a prediction.

Exit status: 0; 1 where a kernel, or a function that it calls, has a stack, spills or does not compile; 77 where clang-15,
llvm-15 or libclc-15 is missing.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
KERNELS = os.path.join(ROOT, "kernels")
LIBRARY = "/usr/lib/clc"
TOOLS = "clang-15", "llvm-link-15", "opt-15", "llc-15"


class Refused(Exception):
    """A compiler's words."""


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        words = result.stderr.strip().splitlines()
        raise Refused(next((line for line in words if "error" in line), words[0] if words else command[0]))
    return result.stderr


def bitcode(source, macros, folder, target, library):
    """The kernels of a file with what they call of OpenCL's functions, optimised."""
    plain, linked, best = (os.path.join(folder, name) for name in ("plain.bc", "linked.bc", "best.bc"))
    run("clang-15", "-x", "cl", "-cl-std=CL1.2", "-target", target, "-O3", "-ffp-contract=off", "-w", "-Xclang",
        "-finclude-default-header", "-I", KERNELS, *macros, "-emit-llvm", "-c", source, "-o", plain)
    run("llvm-link-15", plain, os.path.join(LIBRARY, library), "--only-needed", "-o", linked)
    run("opt-15", "-O3", linked, "-o", best)
    return best


def nvidia(source, macros, folder, ptxas):
    """{kernel: numbers} on sm_90.  LLVM 15 knows sm_80 at most, whose code says that it is sm_90's."""
    best = bitcode(source, macros, folder, "nvptx64-nvidia-nvcl", "nvptx64--nvidiacl.bc")
    path = os.path.join(folder, "code.ptx")
    run("llc-15", "-mcpu=sm_80", "-O3", best, "-o", path)
    with open(path, encoding="ascii") as file:
        text = file.read()
    text = re.sub(r"^\.version.*", ".version 7.8", text, flags=re.M)
    text = re.sub(r"^\.target sm_80.*", ".target sm_90", text, flags=re.M)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    rows, row = {}, {}
    for line in run(ptxas, "-arch=sm_90", "-v", path, "-o", os.path.join(folder, "code.cubin")).splitlines():
        if match := re.search(r"Function properties for (\w+)", line): # kernels, and what they call
            row = rows.setdefault(match.group(1), {})
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores", line):
            row.update(stack=int(match.group(1)), spills=int(match.group(2)))
        elif match := re.search(r"Used (\d+) registers", line):
            row["regs"] = int(match.group(1))
    for match in re.finditer(r"^\.(?:visible \.)?(?:entry|func)\b[^;{]*?(\w+)\([^;{]*?\)[^;{]*\{(.*?)^\}", text, flags=re.M | re.S):
        if match.group(1) in rows:
            code = re.findall(r"^\s+(?:@!?%p\d+ )?[a-z]+[.\w]*\s.*;", match.group(2), flags=re.M)
            rows[match.group(1)]["instr"] = len(code)
    return rows


def amd(source, macros, folder):
    """{kernel: numbers} on gfx906."""
    processor = ["-Xclang", "-target-cpu", "-Xclang", "gfx906"]
    best = bitcode(source, macros + processor, folder, "amdgcn--", "tahiti-amdgcn--.bc")
    path = os.path.join(folder, "code.s")
    run("llc-15", "-mcpu=gfx906", "-O3", best, "-o", path)
    with open(path, encoding="ascii") as file:
        text = file.read()
    rows = {}
    for match in re.finditer(r"^(\w+):[^\n]*; @\1\n(.*?)ScratchSize: (\d+)(.*?)(?=^\w+:[^\n]*; @|\Z)", text,
                             flags=re.M | re.S):
        name, code, stack, more = match.groups()
        registers = re.search(r"NumVgprs: (\d+)", code)
        spilled = [int(n) for n in re.findall(r"\.vgpr_spill_count:\s*(\d+)", more)]
        rows[name] = {"regs": int(registers.group(1)) if registers else 0, "stack": int(stack),
                      "spills": 4 * sum(spilled),
                      "instr": len(re.findall(r"^\t(?:[sv]_|global_|flat_|buffer_|ds_)\w+", code, flags=re.M))}
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--classes", default="2,19,21,150")
    parser.add_argument("--group", default="256")
    parser.add_argument("--quiet", action="store_true", help="only what fails")
    options = parser.parse_args()
    missing = [tool for tool in TOOLS if not shutil.which(tool)] + [f for f in [LIBRARY] if not os.path.isdir(f)]
    if missing:
        print(f"there is no {missing[0]} (clang-15 llvm-15 libclc-15)")
        return 77
    ptxas = os.environ.get("PTXAS") or shutil.which("ptxas")
    if not ptxas:
        print("there is no ptxas: gfx906 alone")
    files = options.files or sorted(glob.glob(os.path.join(KERNELS, "*.cl")))
    print(f"{'kernel':30}{'classes':>8} {'target':8}{'regs':>6}{'stack':>7}{'spills':>7}{'instr':>8}")
    failed = 0
    for file in files:
        source = file if os.path.exists(file) else os.path.join(KERNELS, file)
        with open(source, encoding="ascii") as text:
            by_class = "CLMP_CLASSES" in text.read() or re.match("loss|gradient|upsample|confusion",
                                                                  os.path.basename(source))
        for classes in options.classes.split(",") if by_class else ["-"]:
            macros = ["-DCLMP_VECTOR=1", f"-DCLMP_GROUP={options.group}", f"-DCLMP_BIN_GROUP={options.group}",
                      "-DCLMP_SHARED_SETS=1"] + ([f"-DCLMP_CLASSES={classes}"] if by_class else [])
            for target in ["gfx906"] + (["sm_90"] if ptxas else []):
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        rows = amd(source, macros, folder) if target == "gfx906" else \
                            nvidia(source, macros, folder, ptxas)
                    except Refused as error:
                        print(f"{os.path.basename(source):30}{classes:>8} {target:8}  FAILED: {error}")
                        failed = 1
                        continue
                for name, row in rows.items():
                    bad = row.get("stack", 0) or row.get("spills", 0)
                    failed = 1 if bad else failed
                    if bad or not options.quiet:
                        numbers = "".join(f"{row.get(key, 0):>{width}}" for key, width in
                                          (("regs", 6), ("stack", 7), ("spills", 7), ("instr", 8)))
                        print(f"{name:30}{classes:>8} {target:8}{numbers}{'  FAILED' if bad else ''}")
    return failed


sys.exit(main())
